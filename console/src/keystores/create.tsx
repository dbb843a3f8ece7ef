import { useCallback, useState } from "react";

import { CreateCustomKeyStoreCommand } from "@aws-sdk/client-kms";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import FileUpload from "@cloudscape-design/components/file-upload";
import Form from "@cloudscape-design/components/form";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Textarea from "@cloudscape-design/components/textarea";

import { clusters, keyStores, whyNotSubstitute } from "../aws/keystores.ts";
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
  const [files, setFiles] = useState<File[]>([]);
  const [password, setPassword] = useState("");
  const [isBusy, setIsBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);

  const options = (around.data ?? []).map((one) => {
    const user = stores.data?.find((store) => store.CloudHsmClusterId === one.ClusterId);
    const reason = user === undefined ? whyNotSubstitute(one) : `It backs ${user.CustomKeyStoreName ?? "a key store"}.`;
    return { value: one.ClusterId ?? "", label: one.ClusterId ?? "", description: reason ?? one.State ?? "" };
  });
  const problem = passwordProblem(password);

  const create = async () => {
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
            <Button variant="primary" loading={isBusy} disabled={problem !== null}>Create key store</Button>
          </SpaceBetween>
        }
      >
        <SpaceBetween size="l">
          <Failure error={error} what="The key store was not created" />
          <Container header={<Header variant="h2">Key store</Header>}>
            <SpaceBetween size="l">
              <FormField label="Custom key store name" description="A friendly name, unique in the account and Region.">
                <Input value={name} autoComplete={false} onChange={({ detail }) => setName(detail.value)} />
              </FormField>
              <FormField label="CloudHSM cluster" description="ACTIVE, with two active HSMs in different Availability Zones, and backing no other key store.">
                <Select
                  selectedOption={options.find((one) => one.value === cluster) ?? (cluster === "" ? null : { value: cluster, label: cluster })}
                  options={options}
                  placeholder="Choose a cluster"
                  empty="There is no cluster in this account and Region"
                  statusType={around.isLoading ? "loading" : "finished"}
                  onChange={({ detail }) => setCluster(detail.selectedOption.value ?? "")}
                />
              </FormField>
              <FormField label="Trust anchor certificate" description="The customerCA.crt with which the cluster was initialized: upload the file or paste its text.">
                <SpaceBetween size="xs">
                  <FileUpload
                    value={files}
                    accept=".crt,.pem,.cer"
                    onChange={({ detail }) => {
                      setFiles(detail.value);
                      void detail.value[0]?.text().then(setCertificate);
                    }}
                    i18nStrings={{
                      uploadButtonText: () => "Upload certificate",
                      dropzoneText: () => "Drop the certificate here",
                      removeFileAriaLabel: (index) => `Remove file ${index + 1}`,
                      limitShowFewer: "Show fewer",
                      limitShowMore: "Show more",
                      errorIconAriaLabel: "Error",
                    }}
                  />
                  <Textarea
                    ariaLabel="Certificate text"
                    value={certificate}
                    rows={5}
                    spellcheck={false}
                    placeholder="-----BEGIN CERTIFICATE-----"
                    onChange={({ detail }) => setCertificate(detail.value)}
                  />
                </SpaceBetween>
              </FormField>
              <FormField label="kmsuser password" description="The current password of the kmsuser crypto user in the cluster. KMS rotates it at each connect." errorText={problem}>
                <Input type="password" value={password} autoComplete="new-password" onChange={({ detail }) => setPassword(detail.value)} />
              </FormField>
            </SpaceBetween>
          </Container>
        </SpaceBetween>
      </Form>
    </form>
  );
}
