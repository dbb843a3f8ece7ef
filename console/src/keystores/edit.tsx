/** "Edit custom key store settings", as the guide's steps 7 to 9 have it. */
import { useCallback, useState } from "react";

import { ConnectCustomKeyStoreCommand, UpdateCustomKeyStoreCommand } from "@aws-sdk/client-kms";
import Alert from "@cloudscape-design/components/alert";
import Autosuggest from "@cloudscape-design/components/autosuggest";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Form from "@cloudscape-design/components/form";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";

import { explain } from "../aws/errors.ts";
import { clusters, isPassing, keyStore, related, whyNotSubstitute, type KeyStore } from "../aws/keystores.ts";
import { State } from "../parts/common.tsx";
import { Failure, FailureText } from "../parts/failure.tsx";
import { useSay } from "../parts/flash.tsx";
import { CALM, HURRIED, useLoad } from "../parts/load.ts";
import { href, navigate } from "../router.ts";
import { useSession } from "../session.tsx";
import { whyNot } from "./actions.ts";
import { useActions } from "./do.tsx";
import { changes, passwordProblem, told, type Edit } from "./settings.ts";

export function EditKeyStore({ id }: { id: string }) {
  const { kms } = useSession();
  const found = useLoad(
    useCallback(() => keyStore(kms, id), [kms, id]),
    (store) => (isPassing(store?.ConnectionState) ? HURRIED : CALM),
  );
  if (found.error !== null && found.data === null) {
    return <Failure error={found.error} what={`${id} cannot be edited`} onRetry={found.reload} />;
  }
  if (found.data === null) return <Box padding="l"><Spinner /> Loading the key store</Box>;
  return <EditForm key={id} id={id} store={found.data} reload={found.reload} />;
}

function EditForm({ id, store, reload }: { id: string; store: KeyStore; reload: () => void }) {
  const { kms, cloudhsm } = useSession();
  const say = useSay();
  const { act, dialog } = useActions(reload);
  const around = useLoad(useCallback(() => clusters(cloudhsm), [cloudhsm]), CALM);
  const [edit, setEdit] = useState<Edit>({
    name: store.CustomKeyStoreName ?? "",
    cluster: store.CloudHsmClusterId ?? "",
    password: "",
  });
  const [isBusy, setIsBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [hint, setHint] = useState<string | null>(null);

  const all = around.data ?? [];
  const original = all.find((one) => one.ClusterId === store.CloudHsmClusterId);
  const options = related(all, original).map((cluster) => ({
    value: cluster.ClusterId ?? "",
    description: whyNotSubstitute(cluster) ?? (cluster.ClusterId === store.CloudHsmClusterId ? "The present cluster" : "Shares the cluster certificate"),
  }));
  const problem = passwordProblem(edit.password);
  const refused = whyNot("edit", store);

  const connect = () => {
    kms.send(new ConnectCustomKeyStoreCommand({ CustomKeyStoreId: id })).then(
      () => say({ type: "info", header: `Connecting ${edit.name}`, content: "The Status shows when it is CONNECTED." }),
      (failure: unknown) => say({ type: "error", header: "It was not connected", content: <FailureText {...explain(failure)} /> }),
    );
  };

  const save = async () => {
    const changed = changes(edit, store);
    if (Object.keys(changed).length === 0) {
      setHint("Nothing was changed. Type a new name, another cluster ID or the current password of kmsuser.");
      return;
    }
    setHint(null);
    setError(null);
    setIsBusy(true);
    try {
      await kms.send(new UpdateCustomKeyStoreCommand({ CustomKeyStoreId: id, ...changed }));
      say({
        type: "success",
        header: `The settings of ${edit.name} were edited`,
        content: (
          <>
            {told(changed).map((line) => <div key={line}>{line}</div>)}
            <div>To use the custom key store, reconnect it.</div>
          </>
        ),
        action: <Button onClick={connect}>Reconnect</Button>,
      });
      navigate(href(`kms/key-stores/${id}`));
    } catch (failure) {
      setError(failure);
      setIsBusy(false);
    }
  };

  return (
    <form onSubmit={(event) => { event.preventDefault(); void save(); }}>
      <Form
        header={
          <Header variant="h1" description={<>Custom key store {id}. Status: <State state={store.ConnectionState} /></>}>
            Edit custom key store settings
          </Header>
        }
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            <Button formAction="none" variant="link" onClick={() => navigate(href(`kms/key-stores/${id}`))}>Cancel</Button>
            <Button variant="primary" loading={isBusy} disabled={problem !== null}>Save</Button>
          </SpaceBetween>
        }
        errorText={hint}
      >
        <SpaceBetween size="l">
          {refused !== null && (
            <Alert
              type="warning"
              header="The custom key store must be disconnected before it can be edited"
              action={
                <Button formAction="none" disabled={whyNot("disconnect", store) !== null} disabledReason={whyNot("disconnect", store) ?? ""} onClick={() => act("disconnect", store)}>
                  Disconnect
                </Button>
              }
            >
              {refused}
            </Alert>
          )}
          <Failure error={error} what="The settings were not edited" />
          <Container header={<Header variant="h2" description="Change one or more of them">Settings</Header>}>
            <SpaceBetween size="l">
              <FormField label="New custom key store name" description="A friendly name, unique in the account and Region.">
                <Input value={edit.name} autoComplete={false} onChange={({ detail }) => setEdit({ ...edit, name: detail.value })} />
              </FormField>
              <FormField
                label="CloudHSM cluster ID"
                description="A related cluster: one that shares a backup history, and so the cluster certificate, with the original one."
                constraintText="It needs two active HSMs in different Availability Zones."
              >
                <Autosuggest
                  value={edit.cluster}
                  options={options}
                  enteredTextLabel={(text) => `Use ${text}`}
                  placeholder="cluster-…"
                  empty="No cluster shares the certificate"
                  statusType={around.isLoading ? "loading" : "finished"}
                  ariaLabel="CloudHSM cluster ID"
                  onChange={({ detail }) => setEdit({ ...edit, cluster: detail.value })}
                />
              </FormField>
              <FormField
                label="kmsuser password"
                description="The current password of the kmsuser crypto user (CU) in the cluster. It tells KMS the password and does not change it in the cluster."
                constraintText="Leave it empty to keep what KMS has."
                errorText={problem}
              >
                <Input type="password" value={edit.password} autoComplete="new-password" onChange={({ detail }) => setEdit({ ...edit, password: detail.value })} />
              </FormField>
            </SpaceBetween>
          </Container>
        </SpaceBetween>
      </Form>
      {dialog}
    </form>
  );
}
