// Every page of the world guide by its link.

const STORE = "cks-1234567890abcdef0";
const KEY = "1234abcd-12ab-34cd-56ef-1234567890ab";
const CLUSTER = "cluster-1a23b4cdefg";

/** Path, name of the picture, and a text that is there when the page is. */
export const PAGES = [
  ["kms/key-stores", "key-stores", STORE],
  ["kms/key-stores/create", "key-store-create", "Trust anchor certificate"],
  [`kms/key-stores/${STORE}`, "key-store", "Keys in this key store"],
  [`kms/key-stores/${STORE}/edit`, "key-store-edit", "kmsuser password"],
  ["kms/troubleshooting", "troubleshooting", "USER_LOCKED_OUT"],
  ["kms/keys", "keys", KEY],
  ["kms/keys/create", "key-create", "Key spec"],
  [`kms/keys/${KEY}`, "key", "Try it out"],
  [`kms/keys/${KEY}?tab=aliases`, "key-aliases", "alias/guide"],
  [`kms/keys/${KEY}?tab=policy`, "key-policy", "Key policy"],
  [`kms/keys/${KEY}?tab=tags`, "key-tags", "Tags"],
  ["cloudhsm/clusters", "clusters", CLUSTER],
  ["cloudhsm/clusters/create", "cluster-create", "Source backup"],
  [`cloudhsm/clusters/${CLUSTER}`, "cluster", "us-east-1b"],
  [`cloudhsm/clusters/${CLUSTER}?tab=certificates`, "cluster-certificates", "BEGIN CERTIFICATE"],
  [`cloudhsm/clusters/${CLUSTER}?tab=users`, "cluster-users", "kmsuser"],
  [`cloudhsm/clusters/${CLUSTER}?tab=backups`, "cluster-backups", "Backup ID"],
  ["cloudhsm/backups", "backups", "backup-"],
  ["simulator/chaos", "chaos", "Nothing is broken"],
  ["simulator/load", "load-runs", "Start a run"],
  ["simulator/events", "events", "Events"],
  ["simulator/runbooks", "runbooks", "ExampleKeyStore"],
  [`simulator/runbooks/${STORE}`, "runbook", "Find a backup of the cluster"],
  ["simulator/clock", "clock", "Put it forward"],
  ["nowhere/at/all", "no-such-page", "There is no such page"],
];

/** Waits until a page shows a text and nothing on it is being loaded. */
export async function shown(page, text) {
  const main = page.getByRole("main");
  await main.getByText(text).locator("visible=true").first().waitFor();
  await main.getByText(/^Loading/).locator("visible=true").first().waitFor({ state: "detached" });
}
