// The life of keys in the console: made in a key store and built in, tried, named, tagged, their policy
// edited, disabled, and their deletion scheduled and cancelled. World: guide.
import { CONSOLE, accessible, check, picture, seen, story } from "./browser.mjs";
import { hands } from "./hands.mjs";

await story({}, async ({ page }) => {
  const { main, dialog, button, press, confirm, fill, choose, tab, row, act, barred, failure } = hands(page);
  const create = async (store, spec, usage, alias) => {
    await page.goto(`${CONSOLE}/kms/keys`);
    await press("Create key");
    await page.getByRole("heading", { name: "Create key", exact: true }).waitFor();
    if (store !== null) await choose("Key store", store);
    if (spec !== null) await choose("Key spec", spec);
    if (usage !== null) await choose("Key usage", usage);
    await fill("Alias - optional", alias);
    await fill("Description - optional", `For ${alias}`);
    await press("Create key");
    await seen(page, "The key was created");
  };

  // Elliptic curve: nothing to encrypt, and the page says what it is for.
  await create(null, "ECC_NIST_P256", "SIGN_VERIFY", "signs");
  await seen(page, "This key is for SIGN_VERIFY");
  await picture(page, "keys-signs");
  // RSA for encryption: algorithms to choose from, no context.
  await create(null, "RSA_2048", "ENCRYPT_DECRYPT", "seals");
  await choose("Encryption algorithm", "RSAES_OAEP_SHA_1");
  await press("Encrypt");
  await press("Decrypt");
  await seen(page, "Decrypted");
  check((await main.getByLabel("Encryption context - optional").count()) === 0, "RSA has no context");
  // Symmetric, built in; an alias that exists is told beside the key.
  await create(null, null, null, "guide");
  await seen(page, "The key was created without the alias guide");
  await create(null, null, null, "plain");
  await main.getByText("AWS_KMS", { exact: true }).waitFor();
  // In the key store: symmetric only, and the form says so.
  await page.goto(`${CONSOLE}/kms/keys/create`);
  await choose("Key store", "ExampleKeyStore");
  await seen(page, "A key in a CloudHSM key store is symmetric.");
  await create("ExampleKeyStore", null, null, "kept");
  await main.getByText("AWS_CLOUDHSM", { exact: true }).waitFor();
  await page.getByRole("link", { name: "cks-1234567890abcdef0" }).waitFor();
  const address = page.url();

  // Tried with a context, without it, with another.
  await fill("Encryption context - optional", "purpose");
  await seen(page, "A line is name=value.");
  check(await button("Encrypt").isDisabled(), "a broken context encrypts nothing");
  await fill("Encryption context - optional", "purpose=test\nteam=blue");
  await fill("Plaintext", "attack at noon");
  await press("Encrypt");
  await main.getByLabel("Ciphertext (Base64)").and(page.locator(":not(:placeholder-shown)")).waitFor();
  await fill("Encryption context - optional", "purpose=other");
  await press("Decrypt");
  await failure("InvalidCiphertextException", "How to fix it:");
  await picture(page, "keys-try-out-refused");
  await fill("Encryption context - optional", "team=blue\npurpose=test");
  await press("Decrypt");
  await seen(page, "Decrypted");
  await fill("Ciphertext (Base64)", "no base64!");
  await press("Decrypt");
  await failure("The ciphertext is no Base64.");
  await picture(page, "keys-try-out");

  // Disabled and enabled.
  await barred("Key actions", "Cancel key deletion", "Its deletion is not scheduled.");
  await act("Key actions", "Disable");
  await seen(page, "The key is disabled");
  await press("Encrypt");
  await failure("DisabledException", "Enable the key");
  await act("Key actions", "Enable");
  await seen(page, "The key is enabled");
  await act("Key actions", "Edit description");
  await fill("Description", "Kept with care", dialog);
  await confirm("Save");
  await seen(page, "Kept with care");

  // Aliases: one that is not allowed, one that is, and gone again.
  await tab("Aliases");
  await fill("New alias", "alias/aws/mine");
  await press("Create alias");
  await failure(/alias\/aws/);
  await fill("New alias", "second");
  await press("Create alias");
  await row("alias/second").waitFor();
  await accessible(page, "the aliases");
  await picture(page, "keys-aliases");
  await main.getByRole("button", { name: "Delete alias/second" }).click();
  await confirm("Delete");
  await row("alias/second").waitFor({ state: "detached" });

  // Tags.
  await tab("Tags");
  await fill("Tag key", "team");
  await fill("Tag value", "blue");
  await press("Add tag");
  await row("blue").waitFor();
  await fill("Tag key", "aws:team");
  await press("Add tag");
  await failure("TagException");
  await picture(page, "keys-tags");
  await main.getByRole("button", { name: "Remove team" }).click();
  await row("blue").waitFor({ state: "detached" });

  // The policy: no JSON, JSON that is no policy, one that the service refuses, one that it takes.
  await tab("Key policy");
  const policy = page.getByLabel("Policy", { exact: true });
  await policy.waitFor();
  const before = JSON.parse(await policy.inputValue());
  await policy.fill("{ nonsense");
  await seen(page, "It is no JSON");
  check(await button("Save policy").isDisabled(), "what is no JSON cannot be saved");
  await policy.fill(JSON.stringify({ ...before, Statement: [{ ...before.Statement[0], Effect: "Perhaps" }] }));
  await seen(page, "Statement 1: Effect is Allow or Deny.");
  await accessible(page, "the wrong policy");
  await picture(page, "keys-policy-wrong");
  await policy.fill(JSON.stringify({ ...before, Statement: [{ ...before.Statement[0], Principal: { AWS: "nobody" } }] }));
  await press("Save policy");
  await failure("MalformedPolicyDocumentException", "How to fix it:");
  await picture(page, "keys-policy-refused");
  await policy.fill(JSON.stringify({ ...before, Id: "changed" }));
  await press("Format");
  await press("Save policy");
  await seen(page, "The key policy was changed");
  await page.reload();
  await policy.waitFor();
  check((await policy.inputValue()).includes('"Id": "changed"'), "the policy is kept, and its tab is in the address");

  // Deletion, scheduled and cancelled.
  await act("Key actions", "Schedule key deletion");
  await fill("Waiting period in days", "5", dialog);
  await button("Schedule deletion", dialog).click();
  await seen(page, "A waiting period has 7 to 30 days.");
  await fill("Waiting period in days", "10", dialog);
  await picture(page, "keys-schedule");
  await confirm("Schedule deletion");
  await seen(page, "The key will be deleted");
  await barred("Key actions", "Enable", "It is pending deletion.");
  await picture(page, "keys-pending");
  await act("Key actions", "Cancel key deletion");
  await seen(page, "The deletion is cancelled; the key is disabled");
  await main.getByText("Disabled", { exact: true }).waitFor();

  // The list: by text, by state, and nothing found.
  await page.goto(`${CONSOLE}/kms/keys`);
  await row("alias/kept").waitFor();
  const find = page.getByLabel("Find keys");
  await find.fill("kept");
  await row("alias/signs").waitFor({ state: "detached" });
  await find.fill("nothing like it");
  await seen(page, "No keys match");
  await press("Clear filter");
  await row("alias/signs").waitFor();
  await choose("Status", "Disabled");
  await row("alias/signs").waitFor({ state: "detached" });
  await row("alias/kept").getByText("Disabled").waitFor();
  await picture(page, "keys-filtered");
  check((await page.goto(address)).ok(), "the key's page has an address");
});
