import { useCallback, useState, type ReactNode } from "react";

import {
  CreateHsmCommand,
  DeleteClusterCommand,
  DeleteHsmCommand,
} from "@aws-sdk/client-cloudhsm-v2";
import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import Tabs from "@cloudscape-design/components/tabs";

import type { Cluster } from "../aws/cloudhsm.ts";
import { explain } from "../aws/errors.ts";
import { clusters, keyStores, whyNoKeyStore } from "../aws/keystores.ts";
import { Confirm, Copied, Nothing, State, To, when } from "../parts/common.tsx";
import { Failure, FailureText } from "../parts/failure.tsx";
import { useSay } from "../parts/flash.tsx";
import { CALM, useLoad } from "../parts/load.ts";
import { href, navigate, replaceQuery, useQuery } from "../router.ts";
import { useSession } from "../session.tsx";
import { BackupTable } from "./backups.tsx";
import { Certificates } from "./certificates.tsx";
import { ClusterUsers } from "./users.tsx";

export function ClusterDetail({ id }: { id: string }) {
  const { kms, cloudhsm } = useSession();
  const query = useQuery();
  const found = useLoad(useCallback(() => clusters(cloudhsm, [id]), [cloudhsm, id]), CALM / 2);
  const around = useLoad(useCallback(() => clusters(cloudhsm), [cloudhsm]), CALM);
  const stores = useLoad(useCallback(() => keyStores(kms), [kms]), CALM);
  const [isDoomed, setIsDoomed] = useState(false);
  if (found.error !== null && found.data === null) {
    return <Failure error={found.error} what={`${id} cannot be shown`} onRetry={found.reload} />;
  }
  if (found.data === null) return <Box padding="l"><Spinner /> Loading the cluster</Box>;
  const cluster = found.data[0];
  if (cluster === undefined) {
    return (
      <Nothing
        title={`There is no cluster ${id}`}
        text="It was deleted, or it is in another account or Region. Its backups stay."
        action={<Button onClick={() => navigate(href("cloudhsm/backups", { cluster: id }))}>Open its backups</Button>}
      />
    );
  }
  const store = stores.data?.find((one) => one.CloudHsmClusterId === id);
  const whyNoStore = whyNoKeyStore(cluster, around.data ?? [], stores.data ?? []);
  const hasHsms = (cluster.Hsms ?? []).length > 0;
  return (
    <SpaceBetween size="l">
      <Header
        variant="h1"
        description="CloudHSM cluster"
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            <Button disabled={hasHsms} disabledReason="It has HSMs. Delete them first." onClick={() => setIsDoomed(true)}>
              Delete cluster
            </Button>
            <Button
              variant="primary"
              disabled={whyNoStore !== null}
              disabledReason={whyNoStore ?? ""}
              onClick={() => navigate(href("kms/key-stores/create", { cluster: id }))}
            >
              Create key store
            </Button>
          </SpaceBetween>
        }
      >
        {id}
      </Header>
      <Container header={<Header variant="h2">General configuration</Header>}>
        <KeyValuePairs
          columns={3}
          items={[
            { label: "State", value: <State state={cluster.State} /> },
            { label: "HSM type, mode", value: `${cluster.HsmType ?? "-"}, ${cluster.Mode ?? "-"}` },
            { label: "VPC", value: cluster.VpcId },
            { label: "Security group", value: cluster.SecurityGroup },
            { label: "Created", value: when(cluster.CreateTimestamp) },
            { label: "Backups are kept", value: cluster.BackupRetentionPolicy === undefined ? "-" : `${cluster.BackupRetentionPolicy.Value ?? "?"} days` },
            { label: "From backup", value: cluster.SourceBackupId ?? "-" },
            {
              label: "Key store",
              value: store === undefined ? "-" : <To path={`kms/key-stores/${store.CustomKeyStoreId ?? ""}`}>{store.CustomKeyStoreName}</To>,
            },
            { label: "Cluster ID", value: <Copied text={id} /> },
          ]}
        />
        {cluster.StateMessage !== undefined && <Alert type="info">{cluster.StateMessage}</Alert>}
      </Container>
      <Tabs
        activeTabId={query.get("tab") ?? "hsms"}
        onChange={({ detail }) => replaceQuery({ tab: detail.activeTabId })}
        ariaLabel="About the cluster"
        tabs={[
          { id: "hsms", label: "HSMs", content: <Hsms cluster={cluster} reload={found.reload} /> },
          { id: "certificates", label: "Certificates", content: <Certificates cluster={cluster} reload={found.reload} /> },
          { id: "users", label: "Users", content: <ClusterUsers cluster={cluster} reload={found.reload} /> },
          { id: "backups", label: "Backups", content: <BackupTable cluster={id} /> },
        ]}
      />
      {isDoomed && (
        <Confirm
          title={`Delete ${id}?`}
          action="Delete"
          word={id}
          onClose={() => setIsDoomed(false)}
          onConfirm={async () => {
            await cloudhsm.send(new DeleteClusterCommand({ ClusterId: id }));
            navigate(href("cloudhsm/clusters"));
          }}
        >
          The cluster is deleted; its backups stay for their retention period.
        </Confirm>
      )}
    </SpaceBetween>
  );
}

/** The map: a box for each Availability Zone that the cluster has a subnet in. */
function Hsms({ cluster, reload }: { cluster: Cluster; reload: () => void }) {
  const { cloudhsm } = useSession();
  const say = useSay();
  const [doomed, setDoomed] = useState<string | null>(null);
  const ClusterId = cluster.ClusterId;
  const zones = Object.entries(cluster.SubnetMapping ?? {}).sort(([one], [other]) => one.localeCompare(other));
  const isBusy = cluster.State?.endsWith("_IN_PROGRESS") === true;
  const create = (AvailabilityZone: string) => {
    cloudhsm.send(new CreateHsmCommand({ ClusterId, AvailabilityZone })).then(
      (reply) => say({ type: "info", header: `${reply.Hsm?.HsmId ?? "An HSM"} is being created in ${AvailabilityZone}` }),
      (error: unknown) => say({ type: "error", header: "The HSM was not created", content: <FailureText {...explain(error)} /> }),
    ).finally(reload);
  };
  const box = ([zone, subnet]: [string, string]): ReactNode => {
    const own = (cluster.Hsms ?? []).filter((hsm) => hsm.AvailabilityZone === zone);
    return (
      <section className="zone" key={zone} aria-label={`Availability Zone ${zone}`}>
        <h3>{zone}</h3>
        <SpaceBetween size="s">
          <Box variant="small">{subnet}</Box>
          <ul>
            {own.map((hsm) => (
              <li className="hsm" key={hsm.HsmId}>
                <Box variant="strong" display="block">{hsm.HsmId}</Box>
                <State state={hsm.State} />
                <Box variant="small" display="block">{hsm.EniIp ?? ""} {hsm.StateMessage ?? ""}</Box>
                <Button variant="inline-link" ariaLabel={`Delete ${hsm.HsmId ?? ""}`} onClick={() => setDoomed(hsm.HsmId ?? null)}>Delete</Button>
              </li>
            ))}
          </ul>
          {own.length === 0 && <Box color="text-body-secondary">No HSM in this zone</Box>}
          <Button ariaLabel={`Create HSM in ${zone}`} disabled={isBusy} disabledReason={`The cluster is ${cluster.State ?? "changing"}. Wait until that is done.`} onClick={() => create(zone)}>Create HSM</Button>
        </SpaceBetween>
      </section>
    );
  };
  return (
    <Container header={<Header variant="h2" counter={`(${cluster.Hsms?.length ?? 0})`} description="By Availability Zone">HSMs</Header>}>
      <div className="zones">{zones.map(box)}</div>
      {doomed !== null && (
        <Confirm
          title={`Delete ${doomed}?`}
          action="Delete"
          onClose={() => setDoomed(null)}
          onConfirm={async () => {
            await cloudhsm.send(new DeleteHsmCommand({ ClusterId, HsmId: doomed }));
            reload();
          }}
        >
          An active cluster takes a backup first. A key store needs one active HSM to be used, and two in
          different zones to create keys.
        </Confirm>
      )}
    </Container>
  );
}
