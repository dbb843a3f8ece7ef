/** Encrypt and decrypt by hand, to see what a key does at present. */
import { useState } from "react";

import { DecryptCommand, EncryptCommand, type EncryptionAlgorithmSpec, type KeyMetadata } from "@aws-sdk/client-kms";
import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Textarea from "@cloudscape-design/components/textarea";

import { Failure } from "../parts/failure.tsx";
import { useSession } from "../session.tsx";
import { context, fromBase64, toBase64 } from "./bytes.ts";

const BROKEN = "Correct the encryption context first.";

export function TryOut({ keyOf }: { keyOf: KeyMetadata }) {
  const { kms } = useSession();
  const KeyId = keyOf.KeyId;
  const algorithms = keyOf.EncryptionAlgorithms ?? ["SYMMETRIC_DEFAULT"];
  const [algorithm, setAlgorithm] = useState<EncryptionAlgorithmSpec>(algorithms[0] ?? "SYMMETRIC_DEFAULT");
  const [plain, setPlain] = useState("attack at dawn");
  const [sealed, setSealed] = useState("");
  const [opened, setOpened] = useState<string | null>(null);
  const [pairs, setPairs] = useState("");
  const [error, setError] = useState<{ what: string; error: unknown } | null>(null);
  if (keyOf.KeyUsage !== "ENCRYPT_DECRYPT") {
    return <Alert type="info" header="Nothing to encrypt">This key is for {keyOf.KeyUsage}. Use the AWS CLI or an SDK.</Alert>;
  }
  const EncryptionContext = context(pairs);
  const isSymmetric = algorithm === "SYMMETRIC_DEFAULT";
  const common = {
    KeyId,
    ...(isSymmetric ? (pairs.trim() === "" ? {} : { EncryptionContext: EncryptionContext ?? {} }) : { EncryptionAlgorithm: algorithm }),
  };
  const encrypt = () => {
    setError(null);
    setOpened(null);
    kms.send(new EncryptCommand({ ...common, Plaintext: new TextEncoder().encode(plain) })).then(
      (reply) => setSealed(toBase64(reply.CiphertextBlob ?? new Uint8Array())),
      (failure: unknown) => setError({ what: "It was not encrypted", error: failure }),
    );
  };
  const decrypt = () => {
    setError(null);
    setOpened(null);
    const CiphertextBlob = fromBase64(sealed);
    if (CiphertextBlob === null) {
      setError({ what: "It was not decrypted", error: new Error("The ciphertext is no Base64.") });
      return;
    }
    kms.send(new DecryptCommand({ ...common, CiphertextBlob })).then(
      (reply) => setOpened(new TextDecoder().decode(reply.Plaintext)),
      (failure: unknown) => setError({ what: "It was not decrypted", error: failure }),
    );
  };
  return (
    <Container header={<Header variant="h2" description="Calls of this page, as any client would make them">Try it out</Header>}>
      <SpaceBetween size="m">
        <Failure error={error?.error} what={error?.what ?? ""} />
        <ColumnLayout columns={2}>
          <SpaceBetween size="s">
            <FormField label="Plaintext" stretch>
              <Textarea value={plain} rows={4} onChange={({ detail }) => setPlain(detail.value)} />
            </FormField>
            <Button onClick={encrypt} disabled={EncryptionContext === null} disabledReason={BROKEN}>Encrypt</Button>
          </SpaceBetween>
          <SpaceBetween size="s">
            <FormField label="Ciphertext (Base64)" stretch>
              <Textarea value={sealed} rows={4} spellcheck={false} onChange={({ detail }) => setSealed(detail.value)} />
            </FormField>
            <Button onClick={decrypt} disabled={sealed === "" || EncryptionContext === null} disabledReason={sealed === "" ? "Encrypt something, or paste a ciphertext." : BROKEN}>Decrypt</Button>
          </SpaceBetween>
        </ColumnLayout>
        {isSymmetric && (
          <FormField label={<>Encryption context <i>- optional</i></>} description="A line for each pair: name=value" errorText={EncryptionContext === null ? "A line is name=value." : ""}>
            <Textarea value={pairs} rows={2} spellcheck={false} onChange={({ detail }) => setPairs(detail.value)} />
          </FormField>
        )}
        {algorithms.length > 1 && (
          <FormField label="Encryption algorithm">
            <Select
              selectedOption={{ value: algorithm, label: algorithm }}
              options={algorithms.map((value) => ({ value, label: value }))}
              onChange={({ detail }) => setAlgorithm(detail.selectedOption.value as EncryptionAlgorithmSpec)}
            />
          </FormField>
        )}
        {opened !== null && <Alert type="success" header="Decrypted"><pre className="text">{opened}</pre></Alert>}
      </SpaceBetween>
    </Container>
  );
}
