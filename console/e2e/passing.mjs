// States that pass are seen while they last, in the list and on the key store's page, without a reload; and
// what cannot be done meanwhile says so. World: guide, with changes of state that take a while.
import { CONSOLE, accessible, picture, seen, story } from "./browser.mjs";
import { hands } from "./hands.mjs";

const STORE = "cks-1234567890abcdef0";

await story({}, async ({ page }) => {
  const { main, button, press, confirm, act, barred, row } = hands(page);
  const status = (state) => main.getByText(state, { exact: true }).first().waitFor();
  await page.goto(`${CONSOLE}/kms/key-stores`);
  await page.getByRole("radio", { name: "Choose ExampleKeyStore" }).check();
  await act("Key store actions", "Disconnect custom key store");
  await confirm("Disconnect");
  await row(STORE).getByText("DISCONNECTING", { exact: true }).waitFor();
  await picture(page, "passing-list");
  await barred("Key store actions", "Connect custom key store", "Wait until it is DISCONNECTED.");
  await row(STORE).getByText("DISCONNECTED", { exact: true }).waitFor();

  await page.getByRole("link", { name: "ExampleKeyStore" }).click();
  await seen(page, "The gate is down");
  await press("Connect");
  await status("CONNECTING");
  await seen(page, "KMS finds the cluster, logs in as kmsuser and rotates its password. This page shows when that is done.");
  await barred("Key store actions", "Edit custom key store settings", "It is CONNECTING. Disconnect it before you edit it.");
  await accessible(page, "a key store that is connecting");
  await picture(page, "passing-connecting");
  await status("CONNECTED");
  await button("Create key").click();
  await page.getByRole("heading", { name: "Create key", exact: true }).waitFor();
});
