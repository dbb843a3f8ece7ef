import { useCallback, useState } from "react";

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import TextFilter from "@cloudscape-design/components/text-filter";

import { events } from "../admin/api.ts";
import { activeByZone, clusters, isPassing, keys, keyStores, KEYS_SHOWN_MAX, type KeyStore } from "../aws/keystores.ts";
import { Nothing, State, To, when } from "../parts/common.tsx";
import { Failure } from "../parts/failure.tsx";
import { CALM, HURRIED, useLoad } from "../parts/load.ts";
import { href, navigate } from "../router.ts";
import { useSession } from "../session.tsx";
import { KeyStoreActions, useActions, Zones } from "./do.tsx";
import { lastChange } from "./changes.ts";

export function KeyStoreList() {
  const { kms, cloudhsm } = useSession();
  const [chosen, setChosen] = useState<string | null>(null);
  const [filter, setFilter] = useState("");
  const stores = useLoad(
    useCallback(() => keyStores(kms), [kms]),
    (all) => (all?.some((store) => isPassing(store.ConnectionState)) ? HURRIED : CALM),
  );
  const around = useLoad(useCallback(() => clusters(cloudhsm), [cloudhsm]), CALM);
  const counted = useLoad(useCallback(() => keys(kms), [kms]));
  const told = useLoad(events, CALM);
  const { act, dialog } = useActions(stores.reload);

  const all = stores.data ?? [];
  const shown = all.filter((store) =>
    [store.CustomKeyStoreName, store.CustomKeyStoreId, store.CloudHsmClusterId].some((text) =>
      text?.toLowerCase().includes(filter.toLowerCase()),
    ),
  );
  const selected = all.find((store) => store.CustomKeyStoreId === chosen);
  const clusterOf = (store: KeyStore) => around.data?.find((one) => one.ClusterId === store.CloudHsmClusterId);
  const keysOf = (store: KeyStore) =>
    counted.data?.filter((key) => key.CustomKeyStoreId === store.CustomKeyStoreId).length ?? null;
  const countOf = (store: KeyStore) => {
    const number = keysOf(store);
    if (number === null) return "-";
    return `${number}${(counted.data?.length ?? 0) >= KEYS_SHOWN_MAX ? "+" : ""}`;
  };

  return (
    <SpaceBetween size="m">
      <Failure error={stores.error} what="The key stores could not be listed" onRetry={stores.reload} />
      <Table
        variant="full-page"
        wrapLines
        stickyHeader={false}
        items={shown}
        trackBy="CustomKeyStoreId"
        loading={stores.isLoading}
        loadingText="Loading key stores"
        selectionType="single"
        selectedItems={selected === undefined ? [] : [selected]}
        onSelectionChange={({ detail }) => setChosen(detail.selectedItems[0]?.CustomKeyStoreId ?? null)}
        onRowClick={({ detail }) => setChosen(detail.item.CustomKeyStoreId ?? null)}
        ariaLabels={{
          tableLabel: "Custom key stores",
          selectionGroupLabel: "Choose a custom key store",
          itemSelectionLabel: (_selection, store) => `Choose ${store.CustomKeyStoreName ?? ""}`,
        }}
        header={
          <Header
            variant="awsui-h1-sticky"
            counter={stores.data === null ? "" : `(${all.length})`}
            description="AWS CloudHSM key stores of this account and Region"
            actions={
              <SpaceBetween direction="horizontal" size="xs">
                <Button iconName="refresh" ariaLabel="Refresh" onClick={() => { stores.reload(); around.reload(); counted.reload(); }} />
                <KeyStoreActions store={selected} keys={selected === undefined ? null : keysOf(selected)} onAction={act} />
                <Button variant="primary" onClick={() => navigate(href("kms/key-stores/create"))}>Create key store</Button>
              </SpaceBetween>
            }
          >
            Custom key stores
          </Header>
        }
        filter={
          <TextFilter
            filteringText={filter}
            filteringPlaceholder="Find by name, ID or cluster"
            filteringAriaLabel="Find key stores"
            countText={filter === "" ? "" : `${shown.length} found`}
            onChange={({ detail }) => setFilter(detail.filteringText)}
          />
        }
        empty={
          stores.error !== null ? "" : <Nothing
            title="No custom key stores"
            text="There is none in this account and Region. Is the Region selector right?"
            action={<Button onClick={() => navigate(href("kms/key-stores/create"))}>Create key store</Button>}
          />
        }
        columnDefinitions={[
          {
            id: "name",
            header: "Name",
            isRowHeader: true,
            cell: (store) => <To path={`kms/key-stores/${store.CustomKeyStoreId ?? ""}`}>{store.CustomKeyStoreName}</To>,
          },
          { id: "id", header: "Custom key store ID", minWidth: 170, cell: (store) => <Box fontSize="body-s">{store.CustomKeyStoreId}</Box> },
          {
            id: "cluster",
            header: "CloudHSM cluster ID",
            cell: (store) => <To path={`cloudhsm/clusters/${store.CloudHsmClusterId ?? ""}`}>{store.CloudHsmClusterId}</To>,
          },
          {
            id: "state",
            minWidth: 165,
            header: (
              <>
                Status
                <Box variant="small" display="block">Connection state</Box>
              </>
            ),
            cell: (store) => (
              <>
                <State state={store.ConnectionState} />
                {store.ConnectionErrorCode !== undefined && (
                  <Box variant="small" display="block">
                    <To path={`kms/key-stores/${store.CustomKeyStoreId ?? ""}`}>{store.ConnectionErrorCode}</To>
                  </Box>
                )}
              </>
            ),
          },
          { id: "hsms", header: "Active HSMs", minWidth: 130, cell: (store) => <Zones zones={activeByZone(clusterOf(store))} /> },
          { id: "keys", header: "Keys", cell: countOf },
          { id: "change", header: "Last change", minWidth: 125, cell: (store) => when(lastChange(told.data?.Records ?? [], store)) },
        ]}
      />
      <Alert type="info" header="Editing a key store">
        Choose a key store, then <b>Key store actions</b>. Settings can be edited while the Status is
        DISCONNECTED; reconnect the key store afterwards.
      </Alert>
      {dialog}
    </SpaceBetween>
  );
}
