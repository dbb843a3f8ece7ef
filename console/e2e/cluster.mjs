// A cluster's users, HSMs and backups by hand: every refusal says why, and what can be undone is undone.
// World: guide.
import { CONSOLE, accessible, check, picture, seen, story } from "./browser.mjs";
import { hands } from "./hands.mjs";

await story({}, async ({ page }) => {
  const { main, dialog, button, confirm, press, fill, choose, tab, row, act, barred, failure } = hands(page);
  await page.goto(`${CONSOLE}/kms/key-stores/cks-1234567890abcdef0`);
  await main.getByRole("link", { name: /^cluster-/ }).first().click();
  await page.getByRole("tab", { name: "Users" }).click();

  // Users: one more crypto user, who cannot do what an admin does, is given a password and goes.
  await row("kmsuser").waitFor();
  await press("Create user");
  await fill("User name", "auditor", dialog);
  await choose("Role", "admin", dialog);
  await fill("New password", "short", dialog);
  await fill("Password of the admin", "guide-admin", dialog);
  await button("Create", dialog).click();
  await failure(/7|8/);
  await picture(page, "cluster-user-refused");
  await fill("New password", "auditorPassword", dialog);
  await page.keyboard.press("Enter");
  await dialog.waitFor({ state: "detached" });
  await row("auditor").getByText("admin", { exact: true }).waitFor();
  await seen(page, "The user auditor was created");
  await button("Change password of auditor").click();
  await fill("New password", "anotherPassword", dialog);
  await fill("Password of the admin", "guide-admin", dialog);
  await confirm("Change password");
  await seen(page, "The password of auditor was changed");
  await button("Delete kmsuser").click();
  await fill("Admin who does it", "auditor", dialog);
  await fill("Password of the admin", "anotherPassword", dialog);
  await button("Delete", dialog).click();
  await failure(/logged in|owns/);
  await picture(page, "cluster-kmsuser-stays");
  await button("Cancel", dialog).click();
  await button("Delete auditor").click();
  await fill("Password of the admin", "guide-admin", dialog);
  await confirm("Delete");
  await row("auditor").waitFor({ state: "detached" });

  // HSMs: one more, one less; each leaves a backup.
  await tab("HSMs");
  const zone = page.getByRole("region", { name: "Availability Zone us-east-1a" });
  await zone.getByRole("button", { name: "Create HSM in us-east-1a" }).click();
  await zone.getByText("ACTIVE", { exact: true }).nth(1).waitFor();
  await zone.getByRole("button", { name: /^Delete hsm-/ }).last().click();
  await confirm("Delete");
  await zone.getByText("ACTIVE", { exact: true }).nth(1).waitFor({ state: "detached" });
  check(await button("Delete cluster").isDisabled(), "a cluster with HSMs is not deleted");
  await button("Delete cluster").hover();
  await seen(page, "It has HSMs. Delete them first.");
  await button("Create key store").hover();
  await seen(page, "It backs ExampleKeyStore.");

  // Backups: kept, deleted, restored.
  await tab("Backups");
  await barred("Backup actions", "Delete", "Choose a backup first.");
  const chosen = main.getByRole("radio", { name: /^Choose backup-/ }).first();
  await chosen.check();
  await barred("Backup actions", "Restore", "It is not pending deletion.");
  await act("Backup actions", "Keep for ever");
  await seen(page, "never expires");
  await act("Backup actions", "Delete");
  await seen(page, "is pending deletion for seven days");
  const doomed = row("PENDING_DELETION");
  await doomed.waitFor();
  check(await button("Create cluster from backup").isDisabled(), "no cluster is made from what is pending deletion");
  await accessible(page, "the backups of a cluster");
  await picture(page, "cluster-backup-deleted");
  await act("Backup actions", "Restore");
  await doomed.waitFor({ state: "detached" });
  await main.getByLabel("Find backups").fill("nothing like it");
  await seen(page, "No backups match");
  await press("Clear filter");
  await chosen.waitFor();
});
