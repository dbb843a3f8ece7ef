// What the console's tests share: Debian's Chromium, and what must hold on every page.
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

const HERE = dirname(fileURLToPath(import.meta.url));
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Pictures of every page, for people to look at. */
export const SCREENSHOTS = join(HERE, "../screenshots");

export const ENDPOINT = process.env.AWS_ENDPOINT_URL ?? "http://127.0.0.1:4566";
export const CONSOLE = `${process.env.CONSOLE_URL ?? ENDPOINT}/console`;

const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);

/** How long anything that a test waits for may take, on a busy machine. */
export const PATIENCE = 30_000;

export function check(condition, message) {
  if (!condition) throw new Error(message);
}

export function same(found, wanted, what) {
  check(JSON.stringify(found) === JSON.stringify(wanted), `${what}: ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`);
}

/** A page that notes what no page may do: log errors, or send a request to anybody else. */
export async function open({ width = 1280, height = 900, dark = false } = {}) {
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: dark ? "dark" : "light",
    reducedMotion: "reduce",
  });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  const complaints = [];
  page.on("console", (message) => {
    // An answer of the service with an exception is shown by the page; the browser logs it besides.
    const isAnswer = /Failed to load resource.*status of (400|403)/.test(message.text());
    if (["error", "warning"].includes(message.type()) && !isAnswer) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => {
    const address = request.url();
    if (!address.startsWith("data:") && new URL(address).origin !== new URL(CONSOLE).origin) complaints.push(`a request to ${address}`);
  });
  return { browser, context, page, complaints };
}

/** Waits until a text is seen; what is only read aloud does not count. */
export async function seen(page, text, options) {
  await page.getByText(text, options).locator("visible=true").first().waitFor();
}

/** No serious finding of axe-core on the page as it is. */
export async function accessible(page, name) {
  await page.evaluate(AXE);
  const findings = await page.evaluate(async () => {
    const found = await window.axe.run(document, { resultTypes: ["violations"] });
    return found.violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html.slice(0, 160)).slice(0, 3).join(" | ")}`);
  });
  check(findings.length === 0, `${name} has findings:\n${findings.join("\n")}`);
}

/** Nothing of the page is wider than the window. */
export async function fits(page, name) {
  const [wide, window_] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
  check(wide <= window_, `${name} is ${wide} wide in a window of ${window_}`);
}

export async function picture(page, name) {
  mkdirSync(SCREENSHOTS, { recursive: true });
  await pictureTo(page, join(SCREENSHOTS, `${name}.png`));
}

/** A picture of all of a page. */
export async function pictureTo(page, path) {
  // A window as high as the page, and not the browser's picture of a whole page: that one resizes the
  // window to nothing on the way, and the page folds its navigation.
  const window_ = page.viewportSize();
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  await page.setViewportSize({ ...window_, height: Math.max(height, window_.height) });
  await page.screenshot({ path });
  await page.setViewportSize(window_);
}

/** Runs a test and closes the browser whatever comes of it; a failure leaves a picture. */
export async function story(options, run) {
  const opened = await open(options);
  try {
    await run(opened);
    same(opened.complaints, [], "what the pages complained of");
  } catch (error) {
    await picture(opened.page, "failure").catch(() => undefined);
    console.error(error);
    console.error(opened.complaints.join("\n"));
    process.exitCode = 1;
  } finally {
    await opened.browser.close();
  }
}
