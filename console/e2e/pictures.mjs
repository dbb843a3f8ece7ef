// Makes the pictures of the README and of docs/console.md in docs/pictures, from a world whose changes of
// state can be seen: portcullis up --world guide --ephemeral --state-changes after:0.7
import { join } from "node:path";

import { CONSOLE, pictureTo, seen, story } from "./browser.mjs";
import { hands } from "./hands.mjs";

const STORE = "cks-1234567890abcdef0";
const DOCS = join(import.meta.dirname, "../../docs/pictures");
const RUN_MS = 60_000;

await story({}, async ({ page }) => {
  const { main, press, fill, choose, act, confirm } = hands(page);
  const into = async (name) => {
    await page.mouse.move(0, 0);
    await pictureTo(page, join(DOCS, `console-${name}.png`));
  };

  // A run through some edits, each phase of which lasts long enough to be seen.
  await page.goto(`${CONSOLE}/simulator/load`);
  await fill("Calls a second", "300");
  await fill("Seconds", "24");
  await press("Start run");
  await main.getByText("Good").waitFor({ timeout: RUN_MS });
  await into("load-run");

  // The guide's edit.
  await page.goto(`${CONSOLE}/kms/key-stores/${STORE}`);
  await act("Key store actions", "Disconnect custom key store");
  await confirm("Disconnect");
  await seen(page, "The gate is down");
  await act("Key store actions", "Edit custom key store settings");
  await fill("New custom key store name", "DevelopmentKeys");
  await fill("CloudHSM cluster ID", "cluster-1a23b4cdefg");
  await page.keyboard.press("Escape");
  await fill("kmsuser password", "ExamplePassword");
  await press("Save");
  await seen(page, "The settings of DevelopmentKeys were edited");
  await main.getByText("us-east-1b: 1").waitFor();
  await into("edited");
  await press("Connect");
  await main.getByText("CONNECTED", { exact: true }).first().waitFor();

  // The repair, rehearsed.
  await page.goto(`${CONSOLE}/simulator/load?scenario=substitution`);
  await fill("Calls a second", "200");
  await fill("Keys made after the backup", "1");
  await choose("Backup to restore", "fresh");
  await press("Start run");
  await main.getByText("Lost keys").first().waitFor({ timeout: RUN_MS });
  await into("rehearsal");
});
