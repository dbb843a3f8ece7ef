/** A new cluster, empty or from a backup. */
import { useCallback, useState } from "react";

import { CreateClusterCommand, DescribeBackupsCommand } from "@aws-sdk/client-cloudhsm-v2";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Form from "@cloudscape-design/components/form";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Multiselect from "@cloudscape-design/components/multiselect";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { vpc } from "../admin/api.ts";
import { when } from "../parts/common.tsx";
import { Failure } from "../parts/failure.tsx";
import { useSay } from "../parts/flash.tsx";
import { useLoad } from "../parts/load.ts";
import { href, navigate, useQuery } from "../router.ts";
import { useSession } from "../session.tsx";

const TYPES = ["hsm2m.medium", "hsm1.medium"];
const NONE = { value: "", label: "None: an empty cluster" };

export function CreateCluster() {
  const { cloudhsm, account, region } = useSession();
  const say = useSay();
  const query = useQuery();
  const network = useLoad(useCallback(() => vpc({ account, region }), [account, region]));
  const backups = useLoad(
    useCallback(async () => {
      const reply = await cloudhsm.send(new DescribeBackupsCommand({ Filters: { states: ["READY"] } }));
      return reply.Backups ?? [];
    }, [cloudhsm]),
  );
  const [backup, setBackup] = useState(query.get("backup") ?? "");
  const [chosenType, setType] = useState<string | null>(null);
  const [chosen, setChosen] = useState<string[] | null>(null);
  const [isBusy, setIsBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);

  const subnets = Object.entries(network.data?.subnets ?? {})
    .filter(([, subnet]) => !subnet.deleted)
    .sort(([, one], [, other]) => one.zone.localeCompare(other.zone))
    .map(([id, subnet]) => ({ value: id, label: id, description: `${subnet.zone}, ${subnet.cidr}, ${subnet.vpc}` }));
  const type = chosenType ?? TYPES[0] ?? "";
  // Two zones is what a key store needs, so the first two are chosen until somebody chooses.
  const ids = chosen ?? subnets.slice(0, 2).map(({ value }) => value);
  const sources = [
    NONE,
    ...(backups.data ?? []).map((one) => ({
      value: one.BackupId ?? "",
      label: one.BackupId ?? "",
      description: `of ${one.ClusterId ?? "?"}, ${when(one.CreateTimestamp)}`,
    })),
  ];

  const create = async () => {
    setIsBusy(true);
    setError(null);
    try {
      const input = { HsmType: type, SubnetIds: ids, ...(backup === "" ? {} : { SourceBackupId: backup }) };
      const reply = await cloudhsm.send(new CreateClusterCommand(input));
      const id = reply.Cluster?.ClusterId ?? "";
      say({
        type: "success",
        header: `${id} is being created`,
        content: backup === "" ? "Create its first HSM, then initialize it." : "Create HSMs in two Availability Zones. Do not initialize or activate it.",
      });
      navigate(href(`cloudhsm/clusters/${id}`));
    } catch (failure) {
      setError(failure);
      setIsBusy(false);
    }
  };

  return (
    <form onSubmit={(event) => { event.preventDefault(); void create(); }}>
      <Form
        header={<Header variant="h1">{backup === "" ? "Create cluster" : "Create cluster from backup"}</Header>}
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            <Button formAction="none" variant="link" onClick={() => navigate(href("cloudhsm/clusters"))}>Cancel</Button>
            <Button variant="primary" loading={isBusy} disabled={ids.length === 0}>Create cluster</Button>
          </SpaceBetween>
        }
      >
        <SpaceBetween size="l">
          <Failure error={error} what="The cluster was not created" />
          <Failure error={network.error} what="The subnets could not be listed" onRetry={network.reload} />
          <Container header={<Header variant="h2">Cluster</Header>}>
            <SpaceBetween size="l">
              <FormField label="Source backup" description="A cluster from a backup has its users, keys and certificate.">
                <Select
                  selectedOption={sources.find((one) => one.value === backup) ?? { value: backup, label: backup }}
                  options={sources}
                  statusType={backups.isLoading ? "loading" : "finished"}
                  onChange={({ detail }) => setBackup(detail.selectedOption.value ?? "")}
                />
              </FormField>
              <FormField label="HSM type">
                <Select
                  selectedOption={{ value: type, label: type }}
                  options={TYPES.map((value) => ({ value, label: value }))}
                  onChange={({ detail }) => setType(detail.selectedOption.value ?? "")}
                />
              </FormField>
              <FormField label="Subnets" description="At most one in each Availability Zone, all of one VPC. A key store needs two zones.">
                <Multiselect
                  selectedOptions={subnets.filter(({ value }) => ids.includes(value))}
                  options={subnets}
                  placeholder="Choose subnets"
                  statusType={network.isLoading ? "loading" : "finished"}
                  onChange={({ detail }) => setChosen(detail.selectedOptions.flatMap(({ value }) => value ?? []))}
                />
              </FormField>
            </SpaceBetween>
          </Container>
        </SpaceBetween>
      </Form>
    </form>
  );
}
