// What only a simulator has: every fault that the page offers is injected and undone, the clock is put
// forward and paced, and the events tell of it all. World: guide.
import { CONSOLE, accessible, check, picture, seen, story } from "./browser.mjs";
import { admin, hands } from "./hands.mjs";

const CLUSTER = "cluster-1a23b4cdefg";

await story({}, async ({ page }) => {
  const { main, button, press, fill, choose, row, failure } = hands(page);

  // Chaos. The page's own list says which faults there are.
  await page.goto(`${CONSOLE}/simulator/chaos`);
  check(await button("Inject fault").isDisabled(), "a fault needs a place");
  await button("Inject fault").hover();
  await seen(page, "Choose a cluster, a zone or an HSM.");
  await main.getByLabel("Fault", { exact: true }).first().click();
  await page.getByRole("option").first().waitFor();
  const texts = await page.getByRole("option").allInnerTexts();
  const kinds = texts.map((text) => text.split("\n")[0].trim());
  await page.keyboard.press("Escape");
  check(kinds.length >= 16 && new Set(kinds).size === kinds.length, `the faults: ${kinds}`);
  // What cannot be undone comes last, since nothing is left afterwards.
  const ordered = [...kinds.filter((kind) => kind !== "delete-cluster"), "delete-cluster"];
  await choose("Cluster", CLUSTER);
  for (const kind of ordered) {
    // The longest names contain others, so the option is taken by all of its first line.
    await main.getByLabel("Fault", { exact: true }).first().click();
    await page.getByRole("option").nth(kinds.indexOf(kind)).click();
    await press("Inject fault");
    await seen(page, `${kind} was injected`);
    const { faults } = await admin("GET", "chaos");
    check(faults.length === 1 && faults[0].kind === kind, `${kind} is there: ${JSON.stringify(faults)}`);
    const undo = button(`Undo ${faults[0].id}`);
    await undo.waitFor();
    await row(faults[0].place).filter({ hasText: kind }).waitFor();
    if (kind === "delete-cluster") {
      check(await undo.isDisabled(), "a destroyed cluster is not undone");
      await undo.hover();
      await seen(page, "It cannot be undone; its backups are the way back.");
      break;
    }
    if (kind === "lose") {
      await accessible(page, "a fault");
      await picture(page, "chaos-lose");
    }
    await undo.click();
    await seen(page, `${faults[0].id} is undone`);
    await undo.waitFor({ state: "detached" });
  }
  await button("Any cluster").or(main.getByText("Any cluster", { exact: true })).first().waitFor();
  // A fault that ends by itself, one that is refused, and all at once.
  await main.getByLabel("Fault", { exact: true }).first().click();
  await page.getByRole("option").nth(kinds.indexOf("lose")).click();
  await main.getByLabel("Cluster", { exact: true }).first().click();
  await page.getByRole("option").filter({ hasText: /^cluster-/ }).first().click();
  await choose("Availability Zone", "us-east-1a");
  await fill("Percent of messages", "200");
  await press("Inject fault");
  await failure(/percent/i);
  await fill("Percent of messages", "20");
  await choose("Direction", "from-hsm");
  await fill("Ends after seconds - optional", "90");
  await press("Inject fault");
  await row("from-hsm, 20 %").waitFor();
  await row(/(90|8\d) s/).waitFor();
  await press("Undo all");
  await row("from-hsm, 20 %").waitFor({ state: "detached" });

  // The clock.
  await page.goto(`${CONSOLE}/simulator/clock`);
  const before = await admin("GET", "clock");
  await press("1 day");
  await seen(page, "The clock was put forward by 1 day");
  const after = await admin("GET", "clock");
  check(Date.parse(after.now) - Date.parse(before.now) >= 86_400_000, "a day has passed");
  await seen(page, after.now.slice(0, 10));
  await fill("Time scale", "0");
  await press("Set");
  await failure(/scale/i);
  await fill("Time scale", "60");
  await press("Set");
  await seen(page, "60 times real time");
  await fill("Time scale", "1");
  await press("Set");
  await seen(page, "Real time", { exact: true });
  await choose("Changes of state", "describes:3");
  await seen(page, "The pace was set");
  check((await admin("GET", "clock")).state_changes === "describes:3", "the pace is set");
  await choose("Changes of state", "immediate");
  await accessible(page, "the clock");
  await picture(page, "clock-set");

  // Events: a day has brought backups; a call that was refused; and looking is left out.
  await page.goto(`${CONSOLE}/kms/keys/nothing`);
  await failure("NotFoundException", "How to fix it:");
  await page.goto(`${CONSOLE}/simulator/events`);
  await main.getByLabel("Without Describe, List and Get").uncheck();
  await main.getByLabel("Find events").fill("NotFoundException");
  const refused = row("DescribeKey").first();
  await refused.waitFor();
  await refused.click();
  await main.locator("pre").filter({ hasText: '"errorCode": "NotFoundException"' }).waitFor();
  await accessible(page, "an event");
  await picture(page, "event");
  await press("Close");
  await main.locator("pre").waitFor({ state: "detached" });
  await main.getByLabel("Find events").fill("");
  await main.getByLabel("Without Describe, List and Get").check();
  await row("DescribeKey").first().waitFor({ state: "detached" });
});
