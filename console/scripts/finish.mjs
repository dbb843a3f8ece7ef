// After the bundler: the licences of what the bundle holds, and every file compressed beside itself.
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";

const SITE = "dist/site";

/** Files that are packed already, or too small to gain. */
const isWorthIt = (path, bytes) => !/\.(woff2?|png)$/.test(path) && bytes.length > 512;

function files(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? files(path) : [path];
  });
}

/** Every package that is not only for development, as the lock file has them. */
function packages() {
  const lock = JSON.parse(readFileSync("package-lock.json", "utf8"));
  return Object.entries(lock.packages)
    .filter(([path, about]) => path !== "" && !about.dev && !about.devOptional && existsSync(path))
    .map(([path]) => path)
    .sort();
}

function licence(path) {
  const about = JSON.parse(readFileSync(join(path, "package.json"), "utf8"));
  const texts = readdirSync(path)
    .filter((name) => /^(licen[cs]e|notice|third-party)/i.test(name) && statSync(join(path, name)).isFile())
    .sort()
    .map((name) => readFileSync(join(path, name), "utf8").trim());
  return { name: `${about.name} ${about.version}`, licence: about.license ?? "", text: texts.join("\n\n") };
}

/** One entry for packages whose text is the same, so that the list can be read. */
function licences() {
  const byText = new Map();
  for (const { name, licence: kind, text } of packages().map(licence)) {
    const key = `${kind}\n${text}`;
    byText.set(key, { kind, text, names: [...(byText.get(key)?.names ?? []), name] });
  }
  const rule = "=".repeat(78);
  const parts = [...byText.values()].map(
    ({ kind, text, names }) => `${rule}\n${[...new Set(names)].join("\n")}\n\nLicence: ${kind}\n\n${text}\n`,
  );
  return `What the console of Portcullis is made with, and under which licences.\n\n${parts.join("\n")}`;
}

writeFileSync(join(SITE, "third-party.txt"), licences());
let [plain, packed] = [0, 0];
for (const path of files(SITE)) {
  const bytes = readFileSync(path);
  plain += bytes.length;
  if (!isWorthIt(path, bytes)) {
    packed += bytes.length;
    continue;
  }
  const options = { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 22 } };
  const compressed = brotliCompressSync(bytes, options);
  writeFileSync(`${path}.br`, compressed);
  packed += compressed.length;
}
console.log(`${Math.round(plain / 1024)} KiB of files, ${Math.round(packed / 1024)} KiB as they are sent`);
