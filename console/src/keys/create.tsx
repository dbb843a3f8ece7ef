import { useCallback, useState } from "react";

import { CreateAliasCommand, CreateKeyCommand, type CreateKeyCommandInput, type KeySpec, type KeyUsageType } from "@aws-sdk/client-kms";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Form from "@cloudscape-design/components/form";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import Select, { type SelectProps } from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { explain } from "../aws/errors.ts";
import { keyStores } from "../aws/keystores.ts";
import { Failure, FailureText } from "../parts/failure.tsx";
import { useSay } from "../parts/flash.tsx";
import { CALM, useLoad } from "../parts/load.ts";
import { href, navigate, useQuery } from "../router.ts";
import { useSession } from "../session.tsx";
import { SPECS, usagesOf } from "./specs.ts";

const BUILT_IN = { value: "", label: "KMS itself", description: "Origin AWS_KMS" };

export function CreateKey() {
  const { kms } = useSession();
  const say = useSay();
  const query = useQuery();
  const stores = useLoad(useCallback(() => keyStores(kms), [kms]), CALM);
  const [store, setStore] = useState(query.get("store") ?? "");
  const [spec, setSpec] = useState<KeySpec>("SYMMETRIC_DEFAULT");
  const [usage, setUsage] = useState<KeyUsageType>("ENCRYPT_DECRYPT");
  const [description, setDescription] = useState("");
  const [alias, setAlias] = useState("");
  const [isBusy, setIsBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);

  const places: SelectProps.Option[] = [
    BUILT_IN,
    ...(stores.data ?? []).map((one) => ({
      value: one.CustomKeyStoreId ?? "",
      label: one.CustomKeyStoreName ?? "",
      description: `${one.CustomKeyStoreId ?? ""}, ${one.ConnectionState ?? ""}`,
      disabled: one.ConnectionState !== "CONNECTED",
      disabledReason: "Keys are created while the key store is CONNECTED.",
    })),
  ];
  const isInStore = store !== "";

  /** The key is there already, whether it gets its alias or not. Gives what was refused, or null. */
  const name = (TargetKeyId: string): Promise<unknown> => {
    const AliasName = alias.startsWith("alias/") ? alias : `alias/${alias}`;
    return kms.send(new CreateAliasCommand({ AliasName, TargetKeyId })).then(() => null, (failure: unknown) => failure);
  };

  const create = async () => {
    setIsBusy(true);
    setError(null);
    try {
      const input: CreateKeyCommandInput = { Description: description, KeySpec: spec, KeyUsage: usage };
      if (isInStore) Object.assign(input, { Origin: "AWS_CLOUDHSM", CustomKeyStoreId: store });
      const reply = await kms.send(new CreateKeyCommand(input));
      const id = reply.KeyMetadata?.KeyId ?? "";
      const refused = alias === "" ? null : await name(id);
      if (refused === null) say({ type: "success", header: "The key was created", content: id });
      else say({ type: "warning", header: `The key was created without the alias ${alias}`, content: <FailureText {...explain(refused)} /> });
      navigate(href(`kms/keys/${id}`));
    } catch (failure) {
      setError(failure);
      setIsBusy(false);
    }
  };

  return (
    <form onSubmit={(event) => { event.preventDefault(); void create(); }}>
      <Form
        header={<Header variant="h1">Create key</Header>}
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            <Button formAction="none" variant="link" onClick={() => navigate(href("kms/keys"))}>Cancel</Button>
            <Button variant="primary" loading={isBusy}>Create key</Button>
          </SpaceBetween>
        }
      >
        <SpaceBetween size="l">
          <Failure error={error} what="The key was not created" />
          <Failure error={stores.error} what="The key stores could not be listed" onRetry={stores.reload} />
          <Container header={<Header variant="h2">Key</Header>}>
            <SpaceBetween size="l">
              <FormField label="Key store" description="Where the key material is made and stays.">
                <Select
                  selectedOption={places.find((one) => one.value === store) ?? BUILT_IN}
                  options={places}
                  onChange={({ detail }) => {
                    setStore(detail.selectedOption.value ?? "");
                    setSpec("SYMMETRIC_DEFAULT");
                    setUsage("ENCRYPT_DECRYPT");
                  }}
                />
              </FormField>
              <FormField label="Key spec" constraintText={isInStore ? "A key in a CloudHSM key store is symmetric." : ""}>
                <Select
                  selectedOption={{ value: spec, label: spec }}
                  options={SPECS.map((value) => ({ value, label: value }))}
                  disabled={isInStore}
                  onChange={({ detail }) => {
                    const next = detail.selectedOption.value as KeySpec;
                    setSpec(next);
                    setUsage(usagesOf(next)[0] ?? "ENCRYPT_DECRYPT");
                  }}
                />
              </FormField>
              <FormField label="Key usage">
                <Select
                  selectedOption={{ value: usage, label: usage }}
                  options={usagesOf(spec).map((value) => ({ value, label: value }))}
                  disabled={usagesOf(spec).length === 1}
                  onChange={({ detail }) => setUsage(detail.selectedOption.value as KeyUsageType)}
                />
              </FormField>
              <FormField label={<>Alias <i>- optional</i></>} constraintText="Letters, digits and /_-">
                <Input value={alias} placeholder="alias/example" autoComplete={false} onChange={({ detail }) => setAlias(detail.value)} />
              </FormField>
              <FormField label={<>Description <i>- optional</i></>}>
                <Input value={description} autoComplete={false} onChange={({ detail }) => setDescription(detail.value)} />
              </FormField>
            </SpaceBetween>
          </Container>
        </SpaceBetween>
      </Form>
    </form>
  );
}
