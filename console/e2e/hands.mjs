// What a person does on a page, in few words, and what a test does beside the page.
import { ENDPOINT, check, seen } from "./browser.mjs";

/** Hands for one page. */
export function hands(page) {
  const main = page.getByRole("main");
  const dialog = page.getByRole("dialog");
  const button = (name, within = main) => within.getByRole("button", { name, exact: true });
  return {
    main,
    dialog,
    button,
    press: (name) => button(name).click(),
    /** The button of a dialog; the dialog goes when it is done. */
    confirm: async (name) => {
      await button(name, dialog).click();
      await dialog.waitFor({ state: "detached" });
    },
    fill: (label, text, within = main) => within.getByLabel(label, { exact: true }).first().fill(text),
    choose: async (label, option, within = main) => {
      await within.getByLabel(label, { exact: true }).first().click();
      await page.getByRole("option").filter({ hasText: option }).first().click();
    },
    tab: (name) => page.getByRole("tab", { name, exact: true }).click(),
    row: (text) => main.getByRole("row").filter({ hasText: text }),
    /** An entry of a menu that is opened for it. */
    entry: async (menu, text) => {
      await button(menu).click();
      return page.getByRole("menuitem").filter({ hasText: text }).first();
    },
    act: async (menu, text) => {
      await button(menu).click();
      await page.getByRole("menuitem").filter({ hasText: text }).first().click();
    },
    /** That an entry of a menu cannot be chosen, and says why. */
    barred: async (menu, text, reason) => {
      await button(menu).click();
      const found = page.getByRole("menuitem").filter({ hasText: text }).first();
      check((await found.getAttribute("aria-disabled")) === "true", `${text} cannot be chosen`);
      await found.hover();
      await seen(page, reason);
      // The first Escape may only close the reason.
      while (await found.isVisible()) await page.keyboard.press("Escape");
    },
    failure: async (...texts) => {
      for (const text of texts) await page.getByTestId("failure").getByText(text).first().waitFor();
    },
  };
}

/** The simulator's own interface, for what a test does beside the page. */
export async function admin(method, path, body) {
  const headers = { "content-type": "application/json" };
  const reply = await fetch(`${ENDPOINT}/_portcullis/${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) });
  const { error_code: code, data } = await reply.json();
  check(code === 0, `${method} ${path}: ${JSON.stringify(data)}`);
  return data;
}
