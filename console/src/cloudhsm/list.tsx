import { useCallback } from "react";

import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";

import { activeByZone, clusters, keyStores } from "../aws/keystores.ts";
import { Zones } from "../keystores/do.tsx";
import { Nothing, State, To, when } from "../parts/common.tsx";
import { Failure } from "../parts/failure.tsx";
import { CALM, useLoad } from "../parts/load.ts";
import { href, navigate } from "../router.ts";
import { useSession } from "../session.tsx";

export function ClusterList() {
  const { kms, cloudhsm } = useSession();
  const found = useLoad(useCallback(() => clusters(cloudhsm), [cloudhsm]), CALM);
  const stores = useLoad(useCallback(() => keyStores(kms), [kms]), CALM);
  const all = found.data ?? [];
  return (
    <SpaceBetween size="m">
      <Failure error={found.error} what="The clusters could not be listed" onRetry={found.reload} />
      <Table
        variant="full-page"
        stickyHeader={false}
        items={all}
        loading={found.isLoading}
        loadingText="Loading clusters"
        ariaLabels={{ tableLabel: "Clusters" }}
        header={
          <Header
            variant="h1"
            counter={found.data === null ? "" : `(${all.length})`}
            actions={
              <SpaceBetween direction="horizontal" size="xs">
                <Button iconName="refresh" ariaLabel="Refresh" onClick={found.reload} />
                <Button variant="primary" onClick={() => navigate(href("cloudhsm/clusters/create"))}>Create cluster</Button>
              </SpaceBetween>
            }
          >
            Clusters
          </Header>
        }
        empty={
          found.error !== null ? "" : (
            <Nothing
              title="No clusters"
              text="There is none in this account and Region."
              action={<Button onClick={() => navigate(href("cloudhsm/clusters/create"))}>Create cluster</Button>}
            />
          )
        }
        columnDefinitions={[
          { id: "id", header: "Cluster ID", isRowHeader: true, cell: (one) => <To path={`cloudhsm/clusters/${one.ClusterId ?? ""}`}>{one.ClusterId}</To> },
          { id: "state", header: "State", cell: (one) => <State state={one.State} /> },
          { id: "hsms", header: "Active HSMs", cell: (one) => <Zones zones={activeByZone(one)} /> },
          { id: "type", header: "HSM type", cell: (one) => one.HsmType },
          {
            id: "store",
            header: "Key store",
            cell: (one) => {
              const store = stores.data?.find((other) => other.CloudHsmClusterId === one.ClusterId);
              return store === undefined ? "-" : <To path={`kms/key-stores/${store.CustomKeyStoreId ?? ""}`}>{store.CustomKeyStoreName}</To>;
            },
          },
          { id: "source", header: "From backup", cell: (one) => one.SourceBackupId ?? "-" },
          { id: "created", header: "Created", cell: (one) => when(one.CreateTimestamp) },
        ]}
      />
    </SpaceBetween>
  );
}
