import { useCallback } from "react";

import Button from "@cloudscape-design/components/button";

import { activeByZone, clusters, keyStores } from "../aws/keystores.ts";
import { Zones } from "../keystores/do.tsx";
import { State, To, When } from "../parts/common.tsx";
import { Listing } from "../parts/listing.tsx";
import { CALM, useLoad } from "../parts/load.ts";
import { href, navigate } from "../router.ts";
import { useSession } from "../session.tsx";

export function ClusterList() {
  const { kms, cloudhsm } = useSession();
  const found = useLoad(useCallback(() => clusters(cloudhsm), [cloudhsm]), CALM);
  const stores = useLoad(useCallback(() => keyStores(kms), [kms]), CALM);
  const create = () => navigate(href("cloudhsm/clusters/create"));
  const storeOf = (id: string | undefined) => stores.data?.find((one) => one.CloudHsmClusterId === id);
  return (
    <Listing
      title="Clusters"
      what="clusters"
      description="CloudHSM clusters of this account and Region"
      found={found}
      id={(one) => one.ClusterId ?? ""}
      onRefresh={stores.reload}
      texts={(one) => [one.ClusterId, one.State, one.HsmType, one.SourceBackupId, storeOf(one.ClusterId)?.CustomKeyStoreName]}
      placeholder="Find by ID, state, type or key store"
      empty={{
        title: "No clusters",
        text: "There is none in this account and Region.",
        action: <Button onClick={create}>Create cluster</Button>,
      }}
      actions={<Button variant="primary" onClick={create}>Create cluster</Button>}
      columns={[
        { id: "id", header: "Cluster ID", isRowHeader: true, cell: (one) => <To path={`cloudhsm/clusters/${one.ClusterId ?? ""}`}>{one.ClusterId}</To> },
        { id: "state", header: "State", sortingField: "State", cell: (one) => <State state={one.State} /> },
        { id: "hsms", header: "Active HSMs", cell: (one) => <Zones zones={activeByZone(one)} /> },
        { id: "type", header: "HSM type", sortingField: "HsmType", cell: (one) => one.HsmType },
        {
          id: "store",
          header: "Key store",
          cell: (one) => {
            const store = storeOf(one.ClusterId);
            return store === undefined ? "-" : <To path={`kms/key-stores/${store.CustomKeyStoreId ?? ""}`}>{store.CustomKeyStoreName}</To>;
          },
        },
        { id: "source", header: "From backup", cell: (one) => one.SourceBackupId ?? "-" },
        { id: "created", header: "Created", sortingField: "CreateTimestamp", cell: (one) => <When at={one.CreateTimestamp} /> },
      ]}
    />
  );
}
