// Every page again: after a reload, without anything to show, and without a server that answers. World: guide.
import { CONSOLE, accessible, picture, same, story } from "./browser.mjs";
import { PAGES, shown } from "./table.mjs";

/** What a list says in a Region where there is nothing. */
const EMPTY = [
  ["kms/key-stores", "No custom key stores"],
  ["kms/key-stores/create", "A key store needs a CloudHSM cluster"],
  ["kms/keys", "No keys"],
  ["cloudhsm/clusters", "No clusters"],
  ["cloudhsm/backups", "No backups"],
  ["simulator/chaos", "Nothing is broken"],
  ["simulator/load", "No runs"],
  ["simulator/events", "No events"],
  ["simulator/runbooks", "No key stores"],
];

/** Pages that ask for something, and so have to say when they get no answer. */
const ASKING = PAGES.filter(([, name]) => !["troubleshooting", "no-such-page"].includes(name));

// A page that is loaded again shows the same, with what is in its address; one that is empty says so.
await story({}, async ({ page }) => {
  for (const [path, , text] of PAGES) {
    await page.goto(`${CONSOLE}/${path}`);
    await shown(page, text);
    const before = page.url();
    await page.reload();
    await shown(page, text);
    same(page.url(), before, "the address after a reload");
  }
  for (const [path, text] of EMPTY) {
    await page.goto(`${CONSOLE}/${path}?region=eu-west-1`);
    await shown(page, text);
  }
  await accessible(page, "an empty page");
});

// A server that does not answer: each page says so, and goes on when asked again.
await story({}, async ({ page, context, complaints }) => {
  for (const [path, name, text] of ASKING) {
    const silent = (url) => url.pathname === "/" || url.pathname.startsWith("/_portcullis/");
    await context.route(silent, (route) => route.abort());
    await page.goto(`${CONSOLE}/${path}`);
    const main = page.getByRole("main");
    await main.getByText("Portcullis does not answer. Is it still running?").locator("visible=true").first().waitFor();
    if (name === "key-stores") {
      await accessible(page, "a page without an answer");
      await picture(page, "no-answer");
    }
    await context.unroute(silent);
    // Most pages ask again by themselves, too.
    await main.getByRole("button", { name: "Try again" }).first().click({ timeout: 2000 }).catch(() => undefined);
    await shown(page, text);
  }
  const own = complaints.filter((text) => !/net::ERR_FAILED/.test(text));
  complaints.splice(0, complaints.length, ...own);
});
