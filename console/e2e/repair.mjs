// The repair runbook to its end, by hand in the console: the cluster is destroyed, a cluster is made from a
// backup and takes its place, and the page ticks each step as it is done. World: console.toml.
import { CONSOLE, accessible, check, picture, seen, story } from "./browser.mjs";

const STORE = "cks-1234567890abcdef0";

await story({}, async ({ page }) => {
  const confirm = (name) => page.getByRole("dialog").getByRole("button", { name, exact: true }).click();
  const choose = async (label, option) => {
    await page.getByLabel(label, { exact: true }).first().click();
    await page.getByRole("option").filter({ hasText: option }).first().click();
  };

  // A day passes, so that there is a backup with the key and the user.
  await page.goto(`${CONSOLE}/simulator/clock`);
  await page.getByRole("button", { name: "1 day" }).click();
  await seen(page, "The clock was put forward by 1 day");

  // The cluster is destroyed on the page on chaos.
  const runbook = `${CONSOLE}/simulator/runbooks/${STORE}`;
  await page.goto(runbook);
  await page.getByTestId("step-backup").waitFor();
  const address = page.url();
  const original = new URL(address).searchParams.get("original");
  check(original?.startsWith("cluster-"), "the address keeps the cluster");
  await page.goto(`${CONSOLE}/simulator/chaos`);
  await choose("Fault", "delete-cluster");
  await choose("Cluster", original);
  await page.getByRole("button", { name: "Inject fault" }).click();
  await seen(page, "delete-cluster was injected");
  await picture(page, "chaos-injected");

  const isDone = (step) => page.locator(`[data-testid=step-${step}][data-done=true]`).waitFor();
  const isOpen = (step) => page.locator(`[data-testid=step-${step}][data-done=false]`).waitFor();
  const press = (step) => page.getByTestId(`step-${step}`).getByRole("button").click();
  await page.goto(address);
  await isDone("backup");
  await isOpen("create");
  await accessible(page, "the runbook");
  await picture(page, "runbook-begun");

  // A cluster from the newest backup, which is chosen already.
  await press("create");
  await page.getByRole("heading", { name: "Create cluster from backup" }).waitFor();
  await seen(page, "us-east-1a");
  // The backup is of the older HSM type, and so is what is proposed.
  await seen(page, "The backup was taken from hsm1.medium.");
  await page.getByRole("button", { name: /HSM type.*hsm1.medium/ }).waitFor();
  await picture(page, "cluster-from-backup");
  await page.getByRole("button", { name: "Create cluster", exact: true }).click();
  await seen(page, "hsm1.medium, FIPS");
  for (const zone of ["us-east-1a", "us-east-1b"]) {
    const map = page.getByRole("region", { name: `Availability Zone ${zone}` });
    await map.getByRole("button", { name: `Create HSM in ${zone}` }).click();
    await map.getByText("ACTIVE", { exact: true }).waitFor();
  }
  const made = /cluster-[a-z2-7]+/.exec(page.url())[0];

  // kmsuser gets a password that KMS can be told.
  await page.getByRole("tab", { name: "Users" }).click();
  await page.getByRole("button", { name: "Change password of kmsuser" }).click();
  await page.getByLabel("New password").fill("resetPassword");
  await page.getByLabel("Password of the admin").fill("adminPassword");
  await confirm("Change password");
  await seen(page, "The password of kmsuser was changed");

  await page.goto(address);
  for (const step of ["create", "hsms", "certificate"]) await isDone(step);
  await isOpen("disconnect");
  await press("disconnect");
  await confirm("Disconnect");
  await isDone("disconnect");
  await press("update");
  await page.getByRole("heading", { name: "Edit custom key store settings" }).waitFor();
  await page.getByLabel("CloudHSM cluster ID", { exact: true }).first().fill(made);
  await page.keyboard.press("Escape");
  await page.getByLabel("kmsuser password").fill("resetPassword");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await seen(page, `The cluster ID of the associated AWS CloudHSM cluster is ${made}.`);
  await page.goto(address);
  await isDone("update");
  await press("connect");
  await isDone("connect");
  await press("try");
  await isDone("try");
  await seen(page, "The key store is repaired");
  await picture(page, "runbook-done");
  console.log(made);
});
