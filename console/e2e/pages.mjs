// Every page by its link: no serious finding of axe-core, no error in the browser's log, no request to
// anybody else, nothing wider than the window, in light and dark, at 1280 and 800 pixels; and a picture.
import { CONSOLE, accessible, fits, picture, story } from "./browser.mjs";
import { PAGES, shown } from "./table.mjs";

const LOOKS = [
  { name: "", width: 1280, dark: false },
  { name: "-dark", width: 1280, dark: true },
  { name: "-800", width: 800, dark: false },
];

const only = process.argv[2];
const chosen = PAGES.filter(([, name]) => only === undefined || name === only);
for (const look of LOOKS) {
  await story(look, async ({ page }) => {
    for (const [path, name, text] of chosen) {
      await page.goto(`${CONSOLE}/${path}`);
      await shown(page, text);
      if (look.width === 1280) await accessible(page, `${name}${look.name}`);
      await fits(page, `${name}${look.name}`);
      await picture(page, `${name}${look.name}`);
    }
  });
}
