// A key store from nothing and back to nothing, all in the console: a cluster, its certificates by the
// wizard, its users, the key store with a wrong and the right certificate, a key, and the way back. World: empty.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { CONSOLE, accessible, check, picture, same, seen, story } from "./browser.mjs";
import { hands } from "./hands.mjs";

const folder = mkdtempSync(join(tmpdir(), "console-begin-"));
const file = (name) => join(folder, name);
const openssl = (...words) => execFileSync("openssl", words, { cwd: folder, stdio: "pipe" });

/** A root certificate of the owner's own. */
function root(name) {
  openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3652", "-subj", `/CN=${name}`, "-keyout", `${name}.key`, "-out", `${name}.crt`);
}

await story({}, async ({ page }) => {
  const { main, dialog, button, press, confirm, fill, tab, row, act, barred, failure } = hands(page);
  const zone = (name) => page.getByRole("region", { name: `Availability Zone ${name}` });

  // Nothing is there, and every page says what to do about it.
  await page.goto(`${CONSOLE}/kms/key-stores`);
  await seen(page, "No custom key stores");
  await page.goto(`${CONSOLE}/kms/key-stores/create`);
  await seen(page, "A key store needs a CloudHSM cluster");
  await page.getByRole("link", { name: "Create a cluster" }).click();
  await page.getByRole("heading", { name: "Create cluster", exact: true }).waitFor();
  await seen(page, "us-east-1a");
  await picture(page, "begin-cluster");
  await press("Create cluster");
  await page.getByText("UNINITIALIZED", { exact: true }).first().waitFor();
  const cluster = /cluster-[a-z2-7]+/.exec(page.url())[0];

  // The request comes with the first HSM.
  await tab("Certificates");
  await seen(page, "The cluster has no certificate signing request yet");
  await tab("Users");
  await seen(page, "Initialize the cluster first");
  await tab("HSMs");
  await zone("us-east-1a").getByRole("button").filter({ hasText: "Create HSM" }).click();
  await zone("us-east-1a").getByText("ACTIVE", { exact: true }).waitFor();
  await tab("Certificates");
  await button("Download CSR").waitFor();
  await accessible(page, "the wizard");
  await picture(page, "begin-wizard");
  const [download] = await Promise.all([page.waitForEvent("download"), press("Download CSR")]);
  same(download.suggestedFilename(), `${cluster}_ClusterCsr.csr`, "the file's name");
  await download.saveAs(file("cluster.csr"));
  check(readFileSync(file("cluster.csr"), "utf8").startsWith("-----BEGIN CERTIFICATE REQUEST-----"), "it is a request");
  root("customerCA");
  root("stranger");
  openssl("x509", "-req", "-days", "3652", "-in", "cluster.csr", "-CA", "customerCA.crt", "-CAkey", "customerCA.key", "-CAcreateserial", "-out", "cluster.crt");
  await press("Next");
  await seen(page, "openssl x509 -req");
  await picture(page, "begin-wizard-sign");
  await press("Next");
  await press("Initialize cluster");
  await seen(page, "Upload the certificate or paste its text.");
  const files = main.locator("input[type=file]");
  await files.nth(0).setInputFiles(file("cluster.crt"));
  await files.nth(1).setInputFiles(file("stranger.crt"));
  await press("Initialize cluster");
  await failure("CloudHsmInvalidRequestException", "SignedCert was not signed by TrustAnchor");
  await picture(page, "begin-wizard-refused");
  await files.nth(1).setInputFiles(file("customerCA.crt"));
  await accessible(page, "the wizard's last step");
  await press("Initialize cluster");
  await page.getByText("INITIALIZED", { exact: true }).first().waitFor();

  // Setting the first password activates it; then kmsuser and a second HSM.
  await press("Activate it");
  await press("Activate cluster");
  await fill("Password of the first admin", "adminPassword", dialog);
  await confirm("Activate");
  await main.getByText("ACTIVE", { exact: true }).first().waitFor();
  await press("Create user");
  await fill("New password", "kmsPswd1", dialog);
  await fill("Password of the admin", "wrongPassword", dialog);
  await button("Create", dialog).click();
  await failure(/password/i);
  await picture(page, "begin-user-refused");
  await fill("Password of the admin", "adminPassword", dialog);
  await confirm("Create");
  await seen(page, "The user kmsuser was created");
  await page.reload();
  await main.getByText("ACTIVE", { exact: true }).first().waitFor();
  check(await button("Create key store").isDisabled(), "one HSM is too few");
  await tab("HSMs");
  await zone("us-east-1b").getByRole("button").filter({ hasText: "Create HSM" }).click();
  await zone("us-east-1b").getByText("ACTIVE", { exact: true }).waitFor();
  await picture(page, "begin-cluster-active");

  // The key store: nothing filled, a wrong certificate, the right one.
  await press("Create key store");
  await page.getByRole("heading", { name: "Create key store", exact: true }).waitFor();
  await press("Create key store");
  for (const missing of ["Type a name.", "Upload the certificate or paste its text.", "Type the password of kmsuser."]) await seen(page, missing);
  await picture(page, "begin-key-store-empty");
  await fill("Custom key store name", "FirstKeyStore");
  await main.locator("input[type=file]").setInputFiles(file("stranger.crt"));
  await fill("kmsuser password", "kmsPswd1");
  await press("Create key store");
  await failure("IncorrectTrustAnchorException", "Upload the customerCA.crt");
  await accessible(page, "the refused key store");
  await picture(page, "begin-key-store-refused");
  await main.locator("input[type=file]").setInputFiles(file("customerCA.crt"));
  await press("Create key store");
  await page.getByRole("heading", { name: "FirstKeyStore" }).waitFor();
  await seen(page, "The gate is down");
  check(await button("Create key").isDisabled(), "a key needs a connected key store");
  await barred("Key store actions", "Disconnect custom key store", "It is DISCONNECTED already.");
  await press("Connect");
  await main.getByText("CONNECTED", { exact: true }).first().waitFor();
  const store = page.url();

  // A key in it.
  await press("Create key");
  await page.getByRole("heading", { name: "Create key", exact: true }).waitFor();
  await seen(page, "FirstKeyStore");
  await fill("Alias - optional", "first");
  await press("Create key");
  await seen(page, "The key was created");
  await press("Encrypt");
  await press("Decrypt");
  await main.getByText("attack at dawn").locator("visible=true").last().waitFor();

  // The way back: a key store that is connected or has keys is not deleted, and says why.
  const key = page.url();
  await page.goto(store);
  await barred("Key store actions", "Delete custom key store", "It is CONNECTED. Disconnect it before you delete it.");
  await act("Key store actions", "Disconnect custom key store");
  await confirm("Disconnect");
  await seen(page, "The gate is down");
  await barred("Key store actions", "Delete custom key store", "It has a key. Only an empty key store can be deleted.");
  await page.goto(key);
  await seen(page, "The key cannot be used");
  await act("Key actions", "Schedule key deletion");
  await fill("Waiting period in days", "7", dialog);
  await confirm("Schedule deletion");
  await page.goto(`${CONSOLE}/simulator/clock`);
  await press("7 days");
  await seen(page, "The clock was put forward by 7 days");
  await page.goto(`${CONSOLE}/kms/key-stores`);
  await page.getByRole("radio", { name: "Choose FirstKeyStore" }).check();
  await act("Key store actions", "Delete custom key store");
  check(await button("Delete", dialog).isDisabled(), "the name must be typed first");
  await fill("To confirm, type FirstKeyStore", "FirstKeyStore", dialog);
  await picture(page, "begin-delete");
  await confirm("Delete");
  await seen(page, "No custom key stores");

  // The cluster goes once its HSMs have gone; its backups stay.
  await page.goto(`${CONSOLE}/cloudhsm/clusters/${cluster}`);
  for (const name of ["us-east-1a", "us-east-1b"]) {
    await zone(name).getByRole("button", { name: /^Delete hsm-/ }).click();
    await confirm("Delete");
    await zone(name).getByText("No HSM in this zone").waitFor();
  }
  await press("Delete cluster");
  await fill(`To confirm, type ${cluster}`, cluster, dialog);
  await confirm("Delete");
  await seen(page, "No clusters");
  await page.goto(`${CONSOLE}/cloudhsm/clusters/${cluster}`);
  await seen(page, `There is no cluster ${cluster}`);
  await press("Open its backups");
  await row("READY").first().waitFor();
});
