import { useCallback, useState } from "react";

import {
  DeleteBackupCommand,
  DescribeBackupsCommand,
  ModifyBackupAttributesCommand,
  RestoreBackupCommand,
  type CloudHSMV2Client,
} from "@aws-sdk/client-cloudhsm-v2";
import Button from "@cloudscape-design/components/button";
import ButtonDropdown from "@cloudscape-design/components/button-dropdown";
import SpaceBetween from "@cloudscape-design/components/space-between";

import type { Backup } from "../aws/cloudhsm.ts";
import { explain } from "../aws/errors.ts";
import { State, To, When } from "../parts/common.tsx";
import { FailureText } from "../parts/failure.tsx";
import { useSay } from "../parts/flash.tsx";
import { Listing } from "../parts/listing.tsx";
import { CALM, useLoad } from "../parts/load.ts";
import { href, navigate, useQuery } from "../router.ts";
import { useSession } from "../session.tsx";

/** Bounds what a page lists. */
const PAGES_MAX = 20;

/** Backups, the newest first. */
export async function backups(cloudhsm: CloudHSMV2Client, cluster?: string): Promise<Backup[]> {
  const found: Backup[] = [];
  let NextToken: string | undefined;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const Filters = cluster === undefined ? undefined : { clusterIds: [cluster] };
    const reply = await cloudhsm.send(new DescribeBackupsCommand({ NextToken, Filters, SortAscending: false }));
    found.push(...(reply.Backups ?? []));
    NextToken = reply.NextToken;
    if (NextToken === undefined) break;
  }
  const at = (backup: Backup) => backup.CreateTimestamp?.getTime() ?? 0;
  return found.sort((one, other) => at(other) - at(one));
}

export function BackupList() {
  const query = useQuery();
  return <BackupTable filter={query.get("cluster") ?? ""} isPage />;
}

export function BackupTable({ cluster, filter = "", isPage = false }: { cluster?: string; filter?: string; isPage?: boolean }) {
  const { cloudhsm } = useSession();
  const say = useSay();
  const found = useLoad(useCallback(() => backups(cloudhsm, cluster), [cloudhsm, cluster]), CALM);
  const [chosen, setChosen] = useState<string | null>(null);
  const selected = found.data?.find((one) => one.BackupId === chosen);
  const BackupId = selected?.BackupId;
  const isReady = selected?.BackupState === "READY";
  const none = "Choose a backup first.";

  const run = (done: string, send: () => Promise<unknown>) => {
    send().then(
      () => say({ type: "success", header: done }),
      (error: unknown) => say({ type: "error", header: "It was not done", content: <FailureText {...explain(error)} /> }),
    ).finally(found.reload);
  };
  const act = (action: string) => {
    if (action === "delete") run(`${BackupId ?? ""} is pending deletion for seven days`, () => cloudhsm.send(new DeleteBackupCommand({ BackupId })));
    if (action === "restore") run(`${BackupId ?? ""} is ready again`, () => cloudhsm.send(new RestoreBackupCommand({ BackupId })));
    if (action === "keep") {
      const NeverExpires = selected?.NeverExpires !== true;
      run(`${BackupId ?? ""} ${NeverExpires ? "never expires" : "expires as the cluster's policy says"}`, () => cloudhsm.send(new ModifyBackupAttributesCommand({ BackupId, NeverExpires })));
    }
  };
  const canRestore = selected?.BackupState === "PENDING_DELETION";
  const reasonNotReady = selected === undefined ? none : "It is not READY.";
  return (
    <Listing
      title="Backups"
      what="backups"
      isPart={!isPage}
      description="Taken when a cluster is activated, when an HSM comes or goes, and daily"
      found={found}
      id={(one) => one.BackupId ?? ""}
      choice={{ one: "a backup", chosen, onChoose: setChosen, name: (one) => one.BackupId ?? "" }}
      texts={(one) => [one.BackupId, one.ClusterId, one.BackupState]}
      filterText={filter}
      placeholder="Find by backup, cluster or state"
      empty={{ title: "No backups", text: cluster === undefined ? "There is none in this account and Region." : "There is none of this cluster: one is taken when it is activated." }}
      actions={
        <SpaceBetween direction="horizontal" size="xs">
          <ButtonDropdown
            items={[
              { id: "delete", text: "Delete", disabled: !isReady, disabledReason: reasonNotReady },
              { id: "restore", text: "Restore", disabled: !canRestore, disabledReason: selected === undefined ? none : "It is not pending deletion." },
              { id: "keep", text: selected?.NeverExpires === true ? "Let it expire" : "Keep for ever", disabled: !isReady, disabledReason: reasonNotReady },
            ]}
            onItemClick={({ detail }) => act(detail.id)}
          >
            Backup actions
          </ButtonDropdown>
          <Button
            variant="primary"
            disabled={!isReady}
            disabledReason={reasonNotReady}
            onClick={() => navigate(href("cloudhsm/clusters/create", { backup: BackupId ?? "" }))}
          >
            Create cluster from backup
          </Button>
        </SpaceBetween>
      }
      columns={[
        { id: "id", header: "Backup ID", isRowHeader: true, cell: (one) => one.BackupId },
        { id: "cluster", header: "Cluster", cell: (one) => <To path={`cloudhsm/clusters/${one.ClusterId ?? ""}`}>{one.ClusterId}</To> },
        { id: "state", header: "State", sortingField: "BackupState", cell: (one) => <State state={one.BackupState} /> },
        { id: "type", header: "HSM type, mode", cell: (one) => `${one.HsmType ?? "-"}, ${one.Mode ?? "-"}` },
        { id: "created", header: "Created", sortingField: "CreateTimestamp", cell: (one) => <When at={one.CreateTimestamp} /> },
        { id: "expires", header: "Never expires", cell: (one) => (one.NeverExpires === true ? "yes" : "no") },
        { id: "source", header: "Copied from", cell: (one) => one.SourceRegion ?? "-" },
        { id: "deleted", header: "Deleted on", cell: (one) => <When at={one.DeleteTimestamp} /> },
      ]}
    />
  );
}
