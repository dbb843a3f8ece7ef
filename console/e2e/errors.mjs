// Each ConnectionErrorCode is provoked while the key store's page is open: the page shows by itself that
// the connect failed, why, and the steps of the repair with their buttons. World: connection_errors.toml.
import { ConnectCustomKeyStoreCommand, DescribeCustomKeyStoresCommand, KMSClient, UpdateCustomKeyStoreCommand } from "@aws-sdk/client-kms";

import { CONSOLE, ENDPOINT, accessible, check, picture, seen, story } from "./browser.mjs";

const STORE = "cks-1234567890abcdef0";
const kms = new KMSClient({
  endpoint: ENDPOINT, region: "us-east-1", credentials: { accessKeyId: "test", secretAccessKey: "test" },
});

async function admin(method, path, body) {
  const headers = { "content-type": "application/json" };
  const reply = await fetch(`${ENDPOINT}/_portcullis/${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) });
  const { error_code: code, data } = await reply.json();
  check(code === 0, `${method} ${path}: ${JSON.stringify(data)}`);
  return data;
}

const id = { CustomKeyStoreId: STORE };
const describe = async () => (await kms.send(new DescribeCustomKeyStoresCommand(id))).CustomKeyStores[0];
const cluster = (await describe()).CloudHsmClusterId;
const inject = (kind) => admin("POST", "chaos", { kind, cluster });
const clear = () => admin("DELETE", "chaos");
const login = (username, role, password) => admin("POST", `cloudhsm/${cluster}/login`, { username, role, password });
const logout = (token) => admin("POST", `cloudhsm/${cluster}/logout`, { token });

/** kmsuser gets a password, and KMS is told. */
async function reset(password) {
  const { token } = await login("admin", "admin", "adminPassword");
  const user = { token, username: "kmsuser", role: "crypto-user", password };
  const { users } = await admin("GET", `cloudhsm/${cluster}/users`);
  const isThere = users.some(({ username }) => username === "kmsuser");
  await admin("POST", `cloudhsm/${cluster}/users${isThere ? "/change-password" : ""}`, user);
  await logout(token);
  await kms.send(new UpdateCustomKeyStoreCommand({ ...id, KeyStorePassword: password }));
}

let session;
/** Code, what is done before the connect, what right after it, and how it is mended. */
const CODES = [
  ["INVALID_CREDENTIALS", () => inject("change-kmsuser-password"), null, () => reset("firstPassword")],
  ["USER_LOCKED_OUT", () => inject("lock-kmsuser"), null, () => reset("secondPassword")],
  ["USER_NOT_FOUND", () => inject("remove-kmsuser"), null, () => reset("thirdPassword")],
  ["USER_LOGGED_IN", async () => { session = (await login("kmsuser", "crypto-user", "thirdPassword")).token; }, null, () => logout(session)],
  ["INSUFFICIENT_CLOUDHSM_HSMS", null, () => inject("degrade"), clear],
  ["NETWORK_ERRORS", null, () => inject("partition"), clear],
  ["SUBNET_NOT_FOUND", () => inject("delete-subnet"), null, clear],
  ["INSUFFICIENT_FREE_ADDRESSES_IN_SUBNET", () => inject("fill-subnet"), null, clear],
  ["INTERNAL_ERROR", () => inject("fill-disk"), null, clear],
  ["CLUSTER_NOT_FOUND", () => inject("delete-cluster"), null, null],
];

await story({}, async ({ page }) => {
  await page.goto(`${CONSOLE}/kms/key-stores/${STORE}`);
  const disconnect = async () => {
    await page.getByRole("button", { name: "Disconnect", exact: true }).last().click();
    await seen(page, "The gate is down");
  };
  await page.getByRole("button", { name: "Key store actions" }).click();
  await page.getByRole("menuitem").filter({ hasText: "Disconnect custom key store" }).click();
  await disconnect();
  for (const [code, before, after, mend] of CODES) {
    await before?.();
    await kms.send(new ConnectCustomKeyStoreCommand(id));
    await after?.();
    await seen(page, `The last connect failed: ${code}`);
    const steps = page.getByTestId("repair-steps").getByRole("listitem");
    const buttons = page.getByTestId("repair-steps").getByRole("button");
    check((await steps.count()) >= 3, `${code} has a repair of several steps`);
    check((await buttons.count()) === (await steps.count()), `each step of ${code} has a button`);
    await accessible(page, code);
    await picture(page, `error-${code}`);
    await page.getByTestId("repair-steps").getByRole("button", { name: "Disconnect", exact: true }).click();
    await page.getByRole("dialog").waitFor();
    await disconnect();
    await mend?.();
    await clear().catch(() => undefined);
  }
});
