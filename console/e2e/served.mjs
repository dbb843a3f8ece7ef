// How the console is served, whichever the binary carries: entity tags, compression, the policy,
// pages by their links, and nothing for pages of other origins. Node alone; no browser.
import { request } from "node:http";

const ENDPOINT = process.env.AWS_ENDPOINT_URL ?? "http://127.0.0.1:4566";

function check(condition, message) {
  if (!condition) throw new Error(message);
}

/** A request with just these headers, its body as it came. */
function ask(path, headers = {}, method = "GET", body = "") {
  return new Promise((resolve, reject) => {
    const sent = request(`${ENDPOINT}${path}`, { method, headers, agent: false }, (reply) => {
      const parts = [];
      reply.on("data", (part) => parts.push(part));
      reply.on("end", () => resolve({ status: reply.statusCode, headers: reply.headers, body: Buffer.concat(parts) }));
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

const page = await ask("/console/");
check(page.status === 200 && page.headers["content-type"].startsWith("text/html"), "the page is served");
check(page.headers["content-security-policy"].includes("default-src 'none'"), "the page has a policy");
check((await ask("/console")).headers.location === "/console/", "the folder leads to the page");
const again = await ask("/console/kms/key-stores", { "if-none-match": page.headers.etag });
check(again.status === 304 && again.body.length === 0, "a page that the browser has is not sent again");
check((await ask("/console/assets/none.js")).status === 404, "a missing file is missing");
check(page.headers["access-control-allow-origin"] === undefined, "no other origin may read");

const other = { origin: "http://evil.example", "content-type": "application/json" };
for (const [method, path] of [["POST", "/"], ["POST", "/_portcullis/load"], ["DELETE", "/_portcullis/chaos"], ["GET", "/_portcullis/status"]]) {
  const refused = await ask(path, other, method, method === "POST" ? "{}" : "");
  check(refused.status === 403, `${method} ${path} of another origin gave ${refused.status}`);
}
const own = await ask("/_portcullis/status", { origin: ENDPOINT });
check(own.status === 200, "the console's own calls are answered");

if (page.body.includes("is not in this binary")) {
  console.log("placeholder");
} else {
  const script = /src="([^"]+\.js)"/.exec(page.body.toString())[1];
  const plain = await ask(script);
  const packed = await ask(script, { "accept-encoding": "gzip, br" });
  check(packed.headers["content-encoding"] === "br", "Brotli for who takes it");
  check(packed.body.length * 3 < plain.body.length, "compressing is worth it");
  check(plain.headers["content-encoding"] === undefined, "plain for who does not");
  check(plain.headers["cache-control"].includes("immutable"), "a file with a digest in its name is kept");
  const licences = (await ask("/console/third-party.txt")).body.toString();
  for (const part of ["@cloudscape-design/components", "Apache License", "react-dom", "Amazon.com, Inc."]) {
    check(licences.includes(part), `the licences name ${part}`);
  }
  console.log("console");
}
