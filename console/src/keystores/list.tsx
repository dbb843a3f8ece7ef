import { useCallback, useState } from "react";

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { events } from "../admin/api.ts";
import { activeByZone, clusters, isPassing, keys, keyStores, KEYS_SHOWN_MAX, type KeyStore } from "../aws/keystores.ts";
import { State, To, When } from "../parts/common.tsx";
import { Listing } from "../parts/listing.tsx";
import { CALM, HURRIED, useLoad } from "../parts/load.ts";
import { href, navigate } from "../router.ts";
import { useSession } from "../session.tsx";
import { KeyStoreActions, useActions, Zones } from "./do.tsx";
import { lastChange } from "./changes.ts";

export function KeyStoreList() {
  const { kms, cloudhsm } = useSession();
  const [chosen, setChosen] = useState<string | null>(null);
  const stores = useLoad(
    useCallback(() => keyStores(kms), [kms]),
    (all) => (all?.some((store) => isPassing(store.ConnectionState)) ? HURRIED : CALM),
  );
  const around = useLoad(useCallback(() => clusters(cloudhsm), [cloudhsm]), CALM);
  const counted = useLoad(useCallback(() => keys(kms), [kms]), 2 * CALM);
  const told = useLoad(events, CALM);
  const { act, dialog } = useActions(stores.reload);

  const id = (store: KeyStore) => store.CustomKeyStoreId ?? "";
  const selected = stores.data?.find((store) => id(store) === chosen);
  const clusterOf = (store: KeyStore) => around.data?.find((one) => one.ClusterId === store.CloudHsmClusterId);
  const keysOf = (store: KeyStore) => counted.data?.filter((key) => key.CustomKeyStoreId === id(store)).length ?? null;
  const countOf = (store: KeyStore) => {
    const number = keysOf(store);
    if (number === null) return "-";
    return `${number}${(counted.data?.length ?? 0) >= KEYS_SHOWN_MAX ? "+" : ""}`;
  };
  const create = () => navigate(href("kms/key-stores/create"));

  return (
    <SpaceBetween size="m">
      <Listing
        title="Custom key stores"
        what="key stores"
        description="AWS CloudHSM key stores of this account and Region"
        found={stores}
        id={id}
        onRefresh={() => { around.reload(); counted.reload(); told.reload(); }}
        choice={{ one: "a custom key store", chosen, onChoose: setChosen, name: (store) => store.CustomKeyStoreName ?? "" }}
        texts={(store) => [store.CustomKeyStoreName, id(store), store.CloudHsmClusterId, store.ConnectionState]}
        placeholder="Find by name, ID, cluster or status"
        empty={{
          title: "No custom key stores",
          text: "There is none in this account and Region. Is the Region selector right?",
          action: <Button onClick={create}>Create key store</Button>,
        }}
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            <KeyStoreActions store={selected} keys={selected === undefined ? null : keysOf(selected)} onAction={act} />
            <Button variant="primary" onClick={create}>Create key store</Button>
          </SpaceBetween>
        }
        columns={[
          { id: "name", header: "Name", isRowHeader: true, sortingField: "CustomKeyStoreName", cell: (store) => <To path={`kms/key-stores/${id(store)}`}>{store.CustomKeyStoreName}</To> },
          { id: "id", header: "Custom key store ID", minWidth: 170, cell: (store) => <Box fontSize="body-s">{id(store)}</Box> },
          { id: "cluster", header: "CloudHSM cluster ID", cell: (store) => <To path={`cloudhsm/clusters/${store.CloudHsmClusterId ?? ""}`}>{store.CloudHsmClusterId}</To> },
          { id: "state", header: <Status />, minWidth: 165, cell: (store) => <StateOf store={store} /> },
          { id: "hsms", header: "Active HSMs", minWidth: 130, cell: (store) => <Zones zones={activeByZone(clusterOf(store))} /> },
          { id: "keys", header: "Keys", cell: countOf },
          { id: "change", header: "Last change", minWidth: 125, cell: (store) => <When at={lastChange(told.data?.Records ?? [], store)} /> },
        ]}
      />
      {(stores.data ?? []).length > 0 && (
        <Alert type="info" header="Editing a key store">
          Choose a key store, then <b>Key store actions</b>. Settings can be edited while the Status is
          DISCONNECTED; reconnect the key store afterwards.
        </Alert>
      )}
      {dialog}
    </SpaceBetween>
  );
}

/** The guide's word for it, and today's. */
function Status() {
  return (
    <>
      Status
      <Box variant="small" display="block">Connection state</Box>
    </>
  );
}

function StateOf({ store }: { store: KeyStore }) {
  return (
    <>
      <State state={store.ConnectionState} />
      {store.ConnectionErrorCode !== undefined && (
        <Box variant="small" display="block">
          <To path={`kms/key-stores/${store.CustomKeyStoreId ?? ""}`}>{store.ConnectionErrorCode}</To>
        </Box>
      )}
    </>
  );
}
