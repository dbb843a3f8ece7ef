// The repair of a key store is rehearsed under load, from its runbook: the report tells the outage, the key
// that was made after the backup and is lost, and the failed calls by stage. World: guide.
import { CONSOLE, ENDPOINT, accessible, check, fits, picture, seen, story } from "./browser.mjs";
import { hands } from "./hands.mjs";

const STORE = "cks-1234567890abcdef0";

await story({}, async ({ page }) => {
  const { main, press, fill, choose, row } = hands(page);
  await page.goto(`${CONSOLE}/simulator/runbooks/${STORE}`);
  await press("Rehearse it under load");
  await seen(page, "The key store's present cluster is destroyed, and stays so");
  await fill("Calls a second", "100");
  await fill("Seconds before and after", "1");
  await choose("Backup to restore", "fresh");
  await fill("Keys made after the backup", "1");
  await accessible(page, "the start of a rehearsal");
  await picture(page, "rehearsal-start");
  await press("Start run");
  await seen(page, "The rehearsal is under way");
  await seen(page, /Nobody got an answer for \d/);
  await main.getByText("1 of 2 keys open what was encrypted before.").waitFor();
  for (const stage of ["before", "lost", "restoring", "substituting", "connecting", "after"]) {
    await main.getByRole("row").filter({ hasText: new RegExp(`^${stage}`) }).waitFor();
  }
  await main.getByRole("table", { name: "Lost keys" }).getByText("KMSInvalidStateException").waitFor();
  await row("Calls that failed before the loss and after the repair").waitFor();
  await accessible(page, "the report of a rehearsal");
  await picture(page, "rehearsal");
  await page.setViewportSize({ width: 800, height: 900 });
  await fits(page, "the report of a rehearsal");

  // It is kept with the other runs, and the key store has the new cluster.
  await page.goto(`${CONSOLE}/simulator/load`);
  await row("run-1").getByText("substitution").waitFor();
  await row("run-1").getByText(/Good|Bad/).waitFor();
  const { key_stores: stores } = await (await fetch(`${ENDPOINT}/_portcullis/status`)).json();
  check(stores.find(({ id }) => id === STORE).state === "CONNECTED", "the key store is connected again");

  // Once more, from an old backup and with an admin for a password that KMS does not have. The key that is lost
  // already is no part of it.
  await choose("Scenario", "substitution");
  await fill("Calls a second", "50");
  await fill("Seconds before and after", "1");
  await choose("Backup to restore", "oldest");
  await fill("Password of the clusters' admin", "guide-admin");
  await press("Start run");
  await page.getByRole("heading", { name: "run-2" }).waitFor();
  await seen(page, /Nobody got an answer for \d/);
  await seen(page, "Every key (1) opens what was encrypted before.");
  await picture(page, "rehearsal-oldest");
  await page.goto(`${CONSOLE}/simulator/load`);
  await row("run-2").waitFor();

  // What no rehearsal can be is refused with a reason.
  await choose("Scenario", "substitution");
  await fill("Keys made after the backup", "101");
  await press("Start run");
  await main.getByText("at most 100 keys are made after it", { exact: false }).waitFor();
});
