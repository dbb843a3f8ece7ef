import { useCallback, useState } from "react";

import { CreateCustomKeyStoreCommand } from "@aws-sdk/client-kms";
import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Form from "@cloudscape-design/components/form";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { clusters, keyStores, whyNoKeyStore } from "../aws/keystores.ts";
import { CertificateField, certificateProblem } from "../parts/certificate-field.tsx";
import { To } from "../parts/common.tsx";
import { Failure } from "../parts/failure.tsx";
import { useSay } from "../parts/flash.tsx";
import { CALM, useLoad } from "../parts/load.ts";
import { href, navigate, useQuery } from "../router.ts";
import { useSession } from "../session.tsx";
import { passwordProblem } from "./settings.ts";

export function CreateKeyStore() {
  const { kms, cloudhsm } = useSession();
  const say = useSay();
  const query = useQuery();
  const around = useLoad(useCallback(() => clusters(cloudhsm), [cloudhsm]), CALM);
  const stores = useLoad(useCallback(() => keyStores(kms), [kms]));
  const [name, setName] = useState("");
  const [cluster, setCluster] = useState(query.get("cluster") ?? "");
  const [certificate, setCertificate] = useState("");
  const [password, setPassword] = useState("");
  const [isAsked, setIsAsked] = useState(false);
  const [isBusy, setIsBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);

  const options = (around.data ?? []).map((one) => {
    const reason = whyNoKeyStore(one, around.data ?? [], stores.data ?? []);
    return {
      value: one.ClusterId ?? "",
      label: one.ClusterId ?? "",
      description: one.State ?? "",
      ...(reason !== null && { disabled: true, disabledReason: reason, description: reason }),
    };
  });
  // What is missing is told once somebody has tried; a password that cannot be one, at once.
  const missing = (text: string, what: string) => (isAsked && text === "" ? what : null);
  const problems = {
    name: missing(name.trim(), "Type a name."),
    cluster: missing(cluster, "Choose a cluster."),
    certificate: isAsked ? certificateProblem(certificate) : null,
    password: missing(password, "Type the password of kmsuser.") ?? passwordProblem(password),
  };
  const isComplete = name.trim() !== "" && cluster !== "" && certificateProblem(certificate) === null && password !== "" && passwordProblem(password) === null;

  const create = async () => {
    setIsAsked(true);
    if (!isComplete) return;
    setIsBusy(true);
    setError(null);
    try {
      const input = {
        CustomKeyStoreName: name,
        CloudHsmClusterId: cluster,
        TrustAnchorCertificate: certificate,
        KeyStorePassword: password,
      };
      const reply = await kms.send(new CreateCustomKeyStoreCommand(input));
      say({ type: "success", header: `${name} was created`, content: "It is DISCONNECTED. Connect it to create and use keys." });
      navigate(href(`kms/key-stores/${reply.CustomKeyStoreId ?? ""}`));
    } catch (failure) {
      setError(failure);
      setIsBusy(false);
    }
  };

  return (
    <form onSubmit={(event) => { event.preventDefault(); void create(); }}>
      <Form
        header={<Header variant="h1" description="Over an active CloudHSM cluster with a crypto user named kmsuser">Create key store</Header>}
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            <Button formAction="none" variant="link" onClick={() => navigate(href("kms/key-stores"))}>Cancel</Button>
            <Button variant="primary" loading={isBusy}>Create key store</Button>
          </SpaceBetween>
        }
      >
        <SpaceBetween size="l">
          <Failure error={error} what="The key store was not created" />
          <Failure error={around.error} what="The clusters could not be listed" onRetry={around.reload} />
          {around.data?.length === 0 && (
            <Alert type="info" header="A key store needs a CloudHSM cluster">
              There is none in this account and Region. <To path="cloudhsm/clusters/create">Create a cluster</To>, give it two
              HSMs in different Availability Zones, initialize and activate it, and create its user kmsuser.
            </Alert>
          )}
          <Container header={<Header variant="h2">Key store</Header>}>
            <SpaceBetween size="l">
              <FormField label="Custom key store name" description="A friendly name, unique in the account and Region." errorText={problems.name}>
                <Input value={name} autoComplete={false} onChange={({ detail }) => setName(detail.value)} />
              </FormField>
              <FormField label="CloudHSM cluster" description="ACTIVE, with two active HSMs in different Availability Zones, and backing no other key store." errorText={problems.cluster}>
                <Select
                  selectedOption={options.find((one) => one.value === cluster) ?? (cluster === "" ? null : { value: cluster, label: cluster })}
                  options={options}
                  placeholder="Choose a cluster"
                  empty="There is no cluster in this account and Region"
                  statusType={around.isLoading ? "loading" : "finished"}
                  onChange={({ detail }) => setCluster(detail.selectedOption.value ?? "")}
                />
              </FormField>
              <CertificateField
                label="Trust anchor certificate"
                description="The customerCA.crt with which the cluster was initialized: upload the file or paste its text."
                upload="Upload certificate"
                text={certificate}
                problem={problems.certificate}
                onText={setCertificate}
              />
              <FormField label="kmsuser password" description="The current password of the kmsuser crypto user in the cluster. KMS rotates it at each connect." errorText={problems.password}>
                <Input type="password" value={password} autoComplete="new-password" onChange={({ detail }) => setPassword(detail.value)} />
              </FormField>
            </SpaceBetween>
          </Container>
        </SpaceBetween>
      </Form>
    </form>
  );
}
