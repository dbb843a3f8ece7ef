// The guide's flow with the AWS SDK for JavaScript v3.
import assert from "node:assert/strict";
import {
  ConnectCustomKeyStoreCommand, CreateAliasCommand, CreateKeyCommand, DecryptCommand,
  DescribeCustomKeyStoresCommand, DisconnectCustomKeyStoreCommand, EncryptCommand,
  GenerateDataKeyCommand, KMSClient, KMSInvalidStateException, NotFoundException,
  UpdateCustomKeyStoreCommand, paginateListKeys,
} from "@aws-sdk/client-kms";

const CustomKeyStoreId = "cks-1234567890abcdef0";
const kms = new KMSClient({ endpoint: process.env.AWS_ENDPOINT_URL });

async function waitFor(state) {
  for (const end = Date.now() + 60_000; Date.now() < end;) {
    const found = await kms.send(new DescribeCustomKeyStoresCommand({ CustomKeyStoreId }));
    if (found.CustomKeyStores[0].ConnectionState === state) return found.CustomKeyStores[0];
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`never ${state}`);
}

const EncryptionContext = { purpose: "test" };
const message = new TextEncoder().encode("attack at dawn");
const sealed = await kms.send(
  new EncryptCommand({ KeyId: "alias/guide", Plaintext: message, EncryptionContext }));
const open = () => kms.send(
  new DecryptCommand({ CiphertextBlob: sealed.CiphertextBlob, EncryptionContext }));
assert.deepEqual((await open()).Plaintext, message);

const dataKey = await kms.send(
  new GenerateDataKeyCommand({ KeyId: "alias/guide", KeySpec: "AES_256" }));
assert.equal(dataKey.Plaintext.length, 32);

// Errors are typed, with the text of the service.
await assert.rejects(
  kms.send(new EncryptCommand({ KeyId: "alias/nowhere", Plaintext: message })),
  (error) => error instanceof NotFoundException && error.message.includes("is not found"));

// Dates are dates, and pages are followed.
const made = await kms.send(new CreateKeyCommand({ Description: "from JavaScript" }));
assert.ok(made.KeyMetadata.CreationDate instanceof Date);
await kms.send(new CreateAliasCommand({
  AliasName: "alias/javascript", TargetKeyId: made.KeyMetadata.KeyId }));
const listed = [];
for await (const page of paginateListKeys({ client: kms, pageSize: 1 }, {})) {
  listed.push(...page.Keys.map((key) => key.KeyId));
}
assert.ok(listed.includes(made.KeyMetadata.KeyId) && listed.length >= 2);

// Disconnected: the gate is down; edited and connected again, the old ciphertext opens.
await kms.send(new DisconnectCustomKeyStoreCommand({ CustomKeyStoreId }));
await waitFor("DISCONNECTED");
await assert.rejects(open(), KMSInvalidStateException);
await kms.send(new UpdateCustomKeyStoreCommand({
  CustomKeyStoreId, CloudHsmClusterId: "cluster-1a23b4cdefg",
  KeyStorePassword: "ExamplePassword" }));
await kms.send(new ConnectCustomKeyStoreCommand({ CustomKeyStoreId }));
await waitFor("CONNECTED");
assert.deepEqual((await open()).Plaintext, message);
