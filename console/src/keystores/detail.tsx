import { useCallback } from "react";

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import ExpandableSection from "@cloudscape-design/components/expandable-section";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";

import { activeByZone, clusters, isPassing, keys, keyStore } from "../aws/keystores.ts";
import { Copied, State, To, when, When } from "../parts/common.tsx";
import { Failure } from "../parts/failure.tsx";
import { Listing } from "../parts/listing.tsx";
import { CALM, HURRIED, useLoad } from "../parts/load.ts";
import { href, navigate } from "../router.ts";
import { useSession } from "../session.tsx";
import { KeyStoreActions, useActions, Zones } from "./do.tsx";
import { FailedConnect } from "./failed.tsx";

export function KeyStoreDetail({ id }: { id: string }) {
  const { kms, cloudhsm } = useSession();
  const found = useLoad(
    useCallback(() => keyStore(kms, id), [kms, id]),
    (store) => (isPassing(store?.ConnectionState) ? HURRIED : CALM),
  );
  const around = useLoad(useCallback(() => clusters(cloudhsm), [cloudhsm]), CALM);
  const counted = useLoad(useCallback(() => keys(kms), [kms]), CALM);
  const { act, dialog } = useActions(found.reload);

  if (found.error !== null && found.data === null) {
    return <Failure error={found.error} what={`${id} cannot be shown`} onRetry={found.reload} />;
  }
  const store = found.data;
  if (store === null) return <Box padding="l"><Spinner /> Loading the key store</Box>;
  const cluster = around.data?.find((one) => one.ClusterId === store.CloudHsmClusterId);
  const own = counted.data?.filter((key) => key.CustomKeyStoreId === id) ?? [];
  const state = store.ConnectionState;

  return (
    <SpaceBetween size="l">
      <Header
        variant="h1"
        description="AWS CloudHSM key store"
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            <KeyStoreActions store={store} keys={counted.data === null ? null : own.length} onAction={act} />
            <Button
              variant="primary"
              disabled={state !== "CONNECTED"}
              disabledReason={`It is ${state ?? "not connected"}. Keys are created while it is CONNECTED.`}
              onClick={() => navigate(href("kms/keys/create", { store: id }))}
            >
              Create key
            </Button>
          </SpaceBetween>
        }
      >
        {store.CustomKeyStoreName}
      </Header>
      {state === "FAILED" && <FailedConnect store={store} code={store.ConnectionErrorCode ?? "INTERNAL_ERROR"} onAction={act} />}
      {isPassing(state) && (
        <Alert type="info" header={state === "CONNECTING" ? "Connecting" : "Disconnecting"}>
          {state === "CONNECTING"
            ? "KMS finds the cluster, logs in as kmsuser and rotates its password. This page shows when that is done."
            : "KMS logs kmsuser out. This page shows when that is done."}
        </Alert>
      )}
      {state === "DISCONNECTED" && (
        <Alert
          type="warning"
          header="The gate is down"
          action={<Button onClick={() => act("connect", store)}>Connect</Button>}
        >
          No key in this key store can be used or created until it is connected. Its settings can be edited.
        </Alert>
      )}
      <Container header={<Header variant="h2">Settings</Header>}>
        <KeyValuePairs
          columns={3}
          items={[
            { label: "Name", value: store.CustomKeyStoreName },
            { label: "Custom key store ID", value: <Copied text={id} /> },
            { label: "Status (connection state)", value: <State state={state} /> },
            {
              label: "CloudHSM cluster ID",
              value: <To path={`cloudhsm/clusters/${store.CloudHsmClusterId ?? ""}`}>{store.CloudHsmClusterId}</To>,
            },
            { label: "Active HSMs", value: <Zones zones={activeByZone(cluster)} /> },
            { label: "Created", value: when(store.CreationDate) },
          ]}
        />
        <ExpandableSection headerText="Trust anchor certificate">
          <pre className="text">{store.TrustAnchorCertificate}</pre>
        </ExpandableSection>
      </Container>
      <Listing
        title="Keys in this key store"
        what="keys"
        isPart
        found={counted}
        rows={own}
        id={(key) => key.KeyId ?? ""}
        empty={{ title: "No keys", text: "Keys are created in a key store that is CONNECTED." }}
        columns={[
          { id: "id", header: "Key ID", isRowHeader: true, cell: (key) => <To path={`kms/keys/${key.KeyId ?? ""}`}>{key.KeyId}</To> },
          { id: "description", header: "Description", cell: (key) => key.Description || "-" },
          { id: "state", header: "Status", sortingField: "KeyState", cell: (key) => <State state={key.KeyState} /> },
          { id: "created", header: "Created", sortingField: "CreationDate", cell: (key) => <When at={key.CreationDate} /> },
        ]}
      />
      {dialog}
    </SpaceBetween>
  );
}
