// The edit of a key store by keyboard alone: Tab, Enter, Space, arrow keys and typing, from the list to
// CONNECTED again; what has the focus is always seen. World: guide.
import { CONSOLE, check, seen, story } from "./browser.mjs";

/** More stops than any page has. */
const STOPS_MAX = 80;

await story({}, async ({ page }) => {
  const press = (key) => page.keyboard.press(key);
  /** The name of what has the focus, and whether it shows that. */
  const focused = () =>
    page.evaluate(() => {
      const at = document.activeElement;
      const name = at?.getAttribute("aria-label") ?? document.getElementById(at?.getAttribute("aria-labelledby")?.split(" ")[0] ?? "")?.textContent ?? at?.textContent ?? "";
      const label = at?.id ? (document.querySelector(`label[for="${CSS.escape(at.id)}"]`)?.textContent ?? "") : "";
      return { name: name.trim(), label: label.trim(), tag: at?.tagName ?? "" };
    });
  const tabTo = async (wanted) => {
    const passed = [];
    for (let stop = 0; stop < STOPS_MAX; stop += 1) {
      const { name, label, tag } = await focused();
      if (tag !== "BODY" && (name.startsWith(wanted) || label.startsWith(wanted))) return;
      passed.push(label || name);
      await press("Tab");
    }
    check(false, `${wanted} is not reached by Tab, only ${passed.join(" | ")}`);
  };
  const pick = async (text) => {
    for (let stop = 0; stop < 10; stop += 1) {
      const { name } = await focused();
      if (name.includes(text)) return press("Enter");
      await press("ArrowDown");
    }
    check(false, `${text} is not reached by the arrow keys`);
  };

  await page.goto(`${CONSOLE}/kms/key-stores`);
  const row = page.getByRole("row").filter({ hasText: "ExampleKeyStore" });
  await row.waitFor();
  await tabTo("Choose ExampleKeyStore");
  await press("Space");
  await page.getByRole("radio", { name: "Choose ExampleKeyStore", checked: true }).waitFor();
  await page.keyboard.down("Shift");
  for (let stop = 0; stop < STOPS_MAX && !(await focused()).name.startsWith("Key store actions"); stop += 1) await press("Tab");
  await page.keyboard.up("Shift");
  await press("Enter");
  await page.getByRole("menuitem").first().waitFor();
  await pick("Disconnect custom key store");
  await page.getByRole("dialog").waitFor();
  check(await page.evaluate(() => document.querySelector("[role=dialog]")?.contains(document.activeElement)), "the focus is in the dialog");
  await tabTo("Disconnect");
  await press("Enter");
  await row.getByText("DISCONNECTED", { exact: true }).waitFor();

  await tabTo("Key store actions");
  await press("Enter");
  await page.getByRole("menuitem").first().waitFor();
  await pick("Edit custom key store settings");
  await page.getByRole("heading", { name: "Edit custom key store settings" }).waitFor();
  await tabTo("New custom key store name");
  await press("Control+a");
  await page.keyboard.type("ByKeyboard");
  await tabTo("CloudHSM cluster ID");
  await press("Control+a");
  await page.keyboard.type("cluster-1a");
  await page.getByRole("option").filter({ hasText: "cluster-1a23b4cdefg" }).waitFor();
  await press("ArrowDown");
  await press("ArrowDown");
  await press("Enter");
  check((await page.getByLabel("CloudHSM cluster ID", { exact: true }).first().inputValue()) === "cluster-1a23b4cdefg", "the suggestion was taken");
  await tabTo("kmsuser password");
  await page.keyboard.type("ExamplePassword");
  await press("Enter");
  await seen(page, "The settings of ByKeyboard were edited");
  await tabTo("Reconnect");
  await press("Enter");
  await seen(page, "CONNECTED", { exact: true });

  // The bar at the top: dark mode and the Region.
  await tabTo("Dark mode");
  await press("Enter");
  await page.locator("body.awsui-dark-mode").waitFor();
  await page.reload();
  await page.locator("body.awsui-dark-mode").waitFor();
  await tabTo("Region us-east-1");
  await press("Enter");
  await page.getByRole("menuitem").first().waitFor();
  await pick("us-east-2");
  await page.waitForURL(/region=us-east-2/);
});
