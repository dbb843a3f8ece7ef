/** A new cluster, empty or from a backup. */
import { useCallback, useState } from "react";

import { CreateClusterCommand, type CreateClusterCommandInput } from "@aws-sdk/client-cloudhsm-v2";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Form from "@cloudscape-design/components/form";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Multiselect from "@cloudscape-design/components/multiselect";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { vpc } from "../admin/api.ts";
import { HSM_TYPES, MODES, proposal } from "../aws/cloudhsm.ts";
import { clusters } from "../aws/keystores.ts";
import { when } from "../parts/common.tsx";
import { Failure } from "../parts/failure.tsx";
import { useSay } from "../parts/flash.tsx";
import { useLoad } from "../parts/load.ts";
import { href, navigate, useQuery } from "../router.ts";
import { useSession } from "../session.tsx";
import { backups } from "./backups.tsx";

const NONE = { value: "", label: "None: an empty cluster" };

export function CreateCluster() {
  const { cloudhsm, account, region } = useSession();
  const say = useSay();
  const query = useQuery();
  const network = useLoad(useCallback(() => vpc({ account, region }), [account, region]));
  const saved = useLoad(
    useCallback(async () => (await backups(cloudhsm)).filter((one) => one.BackupState === "READY"), [cloudhsm]),
  );
  const around = useLoad(useCallback(() => clusters(cloudhsm), [cloudhsm]));
  const [backup, setBackup] = useState(query.get("backup") ?? "");
  const [chosenType, setType] = useState<string | null>(null);
  const [chosenMode, setMode] = useState<string | null>(null);
  const [chosen, setChosen] = useState<string[] | null>(null);
  const [isBusy, setIsBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);

  const subnets = Object.entries(network.data?.subnets ?? {})
    .filter(([, subnet]) => !subnet.deleted)
    .sort(([, one], [, other]) => one.zone.localeCompare(other.zone))
    .map(([id, subnet]) => ({ value: id, label: id, description: `${subnet.zone}, ${subnet.cidr}, ${subnet.vpc}` }));
  const source = saved.data?.find((one) => one.BackupId === backup);
  const proposed = proposal(source, around.data?.find((one) => one.ClusterId === source?.ClusterId));
  const type = chosenType ?? proposed.type;
  const mode = chosenMode ?? proposed.mode;
  const isReady = backup === "" || !(saved.isLoading || around.isLoading);
  // Two zones is what a key store needs, so the first two are chosen until somebody chooses.
  const ids = chosen ?? subnets.slice(0, 2).map(({ value }) => value);
  const sources = [
    NONE,
    ...(saved.data ?? []).map((one) => ({
      value: one.BackupId ?? "",
      label: one.BackupId ?? "",
      description: `of ${one.ClusterId ?? "?"}, ${when(one.CreateTimestamp)}${one.HsmType === undefined ? "" : `, ${one.HsmType}`}`,
    })),
  ];

  const create = async () => {
    setIsBusy(true);
    setError(null);
    try {
      // The client sends every member that it is given, `Mode` too, which its types are too old for.
      const input: CreateClusterCommandInput & { Mode: string } = {
        HsmType: type,
        Mode: mode,
        SubnetIds: ids,
        ...(backup === "" ? {} : { SourceBackupId: backup }),
      };
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
            <Button variant="primary" loading={isBusy || !isReady} disabled={ids.length === 0} disabledReason="Choose a subnet.">Create cluster</Button>
          </SpaceBetween>
        }
      >
        <SpaceBetween size="l">
          <Failure error={error} what="The cluster was not created" />
          <Failure error={saved.error} what="The backups could not be listed" onRetry={saved.reload} />
          <Failure error={network.error} what="The subnets could not be listed" onRetry={network.reload} />
          <Container header={<Header variant="h2">Cluster</Header>}>
            <SpaceBetween size="l">
              <FormField label="Source backup" description="A cluster from a backup has its users, keys and certificate.">
                <Select
                  selectedOption={sources.find((one) => one.value === backup) ?? { value: backup, label: backup }}
                  options={sources}
                  statusType={saved.isLoading ? "loading" : "finished"}
                  onChange={({ detail }) => {
                    setBackup(detail.selectedOption.value ?? "");
                    setType(null);
                    setMode(null);
                  }}
                />
              </FormField>
              <FormField label="HSM type" constraintText={source?.HsmType === undefined ? "" : `The backup was taken from ${source.HsmType}.`}>
                <Select
                  selectedOption={{ value: type, label: type }}
                  options={HSM_TYPES.map((value) => ({ value, label: value }))}
                  onChange={({ detail }) => setType(detail.selectedOption.value ?? null)}
                />
              </FormField>
              <FormField label="Mode" constraintText="hsm1.medium has FIPS only.">
                <Select
                  selectedOption={{ value: mode, label: mode }}
                  options={MODES.map((value) => ({ value, label: value }))}
                  onChange={({ detail }) => setMode(detail.selectedOption.value ?? null)}
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
