// After a restart over the same data folder: the run that load.mjs started is listed with its result, its
// chart is drawn again, its report opens, and the next run has a number of its own.
import { CONSOLE, ENDPOINT, check, picture, seen, story } from "./browser.mjs";
import { admin } from "./hands.mjs";

await story({}, async ({ page }) => {
  await page.goto(`${CONSOLE}/simulator/load`);
  const row = page.getByRole("row").filter({ hasText: "run-1" });
  await row.getByText("Good").waitFor();
  await row.getByText("ended").waitFor();
  await page.getByRole("link", { name: "run-1", exact: true }).click();
  await page.getByTestId("chart").locator("path.succeeded[d*=L]").waitFor();
  const report = await page.getByRole("link", { name: "Open report" }).getAttribute("href");
  check((await (await fetch(`${ENDPOINT}${report}`)).text()).includes("<svg"), "the report is kept");
  await picture(page, "load-run-after-restart");
  const { id } = await admin("POST", "load", { scenario: "steady", rate: 50, seconds: 1, account: "000000000000", region: "us-east-1" });
  check(id === "run-2", `the next run is ${id}`);
  await page.goto(`${CONSOLE}/simulator/load/${id}`);
  await seen(page, "Good");
});
