// A load run through edits of a key store, watched: the chart grows, has the phases of the edits, and the
// report is kept.
import { CONSOLE, ENDPOINT, accessible, check, picture, seen, story } from "./browser.mjs";

await story({}, async ({ page }) => {
  await page.goto(`${CONSOLE}/simulator/load`);
  await page.getByLabel("Calls a second").fill("200");
  await page.getByLabel("Seconds").fill("9");
  await page.getByRole("button", { name: "Start run" }).click();
  await page.getByRole("heading", { name: "run-1" }).waitFor();
  const chart = page.getByTestId("chart");
  await chart.locator("path.succeeded[d*=L]").waitFor();
  await chart.locator(".band.disconnected").first().waitFor();
  check(await page.getByRole("button", { name: "End the run" }).isVisible(), "the chart is drawn while the run goes on");
  await picture(page, "load-running");
  await seen(page, "Good");
  check(/9 seconds|1\d seconds/.test(await chart.getAttribute("aria-label")), "the chart is told in words");
  await accessible(page, "the run");
  await picture(page, "load-run");
  const report = await page.getByRole("link", { name: "Open report" }).getAttribute("href");
  const kept = await fetch(`${ENDPOINT}${report}`);
  check((await kept.text()).includes("<svg"), "the report has its charts");
  await page.goto(`${CONSOLE}/simulator/load`);
  await page.getByRole("link", { name: "run-1", exact: true }).waitFor();
  await picture(page, "load-runs-kept");
});
