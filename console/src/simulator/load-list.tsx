import { useCallback, useState } from "react";

import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import Multiselect from "@cloudscape-design/components/multiselect";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import StatusIndicator from "@cloudscape-design/components/status-indicator";

import { runs, startRun, type LoadOrder, type LoadRun } from "../admin/api.ts";
import { keyStores } from "../aws/keystores.ts";
import { count, millis, SimulatorOnly, State, To, When } from "../parts/common.tsx";
import { Failure } from "../parts/failure.tsx";
import { Listing } from "../parts/listing.tsx";
import { CALM, useLoad } from "../parts/load.ts";
import { href, navigate, useQuery } from "../router.ts";
import { useSession } from "../session.tsx";

const SCENARIOS: { value: LoadOrder["scenario"]; label: string; description: string }[] = [
  { value: "edit-cycle", label: "edit-cycle", description: "The key store is disconnected, edited and connected again, over and over" },
  { value: "steady", label: "steady", description: "Nothing but the load" },
  { value: "substitution", label: "substitution", description: "A rehearsal of the repair: the cluster is destroyed, and one from a backup takes its place" },
];
const BACKUPS: { value: NonNullable<LoadOrder["backup"]>; label: string; description: string }[] = [
  { value: "fresh", label: "fresh", description: "One that is taken beforehand" },
  { value: "newest", label: "newest", description: "The newest there is" },
  { value: "oldest", label: "oldest", description: "The oldest there is" },
];
const KINDS: NonNullable<LoadOrder["edits"]> = ["name", "password", "cluster"];
const EDITS = KINDS.map((value) => ({ value, label: value }));

export function LoadList() {
  const found = useLoad(runs, 2000);
  return (
    <SpaceBetween size="l">
      <Header variant="h1" info={<SimulatorOnly />} description="What edits, faults and repairs cost while applications keep calling">Load runs</Header>
      <Start />
      <Listing
        title="Runs"
        what="runs"
        isPart
        description="The last fifty are kept"
        found={found}
        id={(run) => run.id}
        empty={{ title: "No runs", text: "Start one above." }}
        columns={[
          { id: "id", header: "Run", isRowHeader: true, cell: (run) => <To path={`simulator/load/${run.id}`}>{run.id}</To> },
          { id: "state", header: "State", cell: (run) => <State state={run.state} /> },
          { id: "scenario", header: "Scenario", cell: (run) => run.order?.scenario ?? "-" },
          { id: "rate", header: "Rate", cell: (run) => (run.summary === null ? `${count(run.order?.rate ?? 0)}/s asked` : `${count(run.summary.achieved_rate)}/s`) },
          { id: "p99", header: "p99", cell: (run) => millis(run.summary?.latency?.latency_us_p99) },
          { id: "failed", header: "Failed", cell: failed },
          { id: "leaks", header: "Gate leaks", cell: (run) => (run.summary ?? run.rehearsal)?.gate_leaks ?? "-" },
          { id: "result", header: "Result", cell: (run) => <Result run={run} /> },
          { id: "started", header: "Started", cell: (run) => <When at={run.order?.started_at_ms} /> },
          { id: "again", header: "Report", cell: (run) => (run.state === "ended" ? <To path={`simulator/load/${run.id}`} label={`Report of ${run.id}`}>Report</To> : "-") },
        ]}
      />
    </SpaceBetween>
  );
}

function failed({ summary, rehearsal }: LoadRun): string {
  if (summary !== null) return count(summary.failed);
  if (rehearsal === null) return "-";
  return count(rehearsal.stages.flatMap((stage) => Object.values(stage.failed)).reduce((sum, one) => sum + one, 0));
}

export function Result({ run }: { run: LoadRun }) {
  if (run.state === "running") return <>-</>;
  const passed = (run.summary ?? run.rehearsal)?.passed;
  if (passed === undefined) return <StatusIndicator type="error">Not carried out</StatusIndicator>;
  return passed ? <StatusIndicator>Good</StatusIndicator> : <StatusIndicator type="error">{run.summary?.stopped ?? "Bad"}</StatusIndicator>;
}

function Start() {
  const { kms, account, region } = useSession();
  const stores = useLoad(useCallback(() => keyStores(kms), [kms]), CALM);
  const query = useQuery();
  const [scenario, setScenario] = useState(SCENARIOS.find(({ value }) => value === query.get("scenario")) ?? SCENARIOS[0]);
  const [store, setStore] = useState(query.get("store") ?? "");
  const [rate, setRate] = useState("500");
  const [seconds, setSeconds] = useState<string | null>(null);
  const [edits, setEdits] = useState<NonNullable<LoadOrder["edits"]>>(["name"]);
  const [backup, setBackup] = useState(BACKUPS[0]);
  const [after, setAfter] = useState("0");
  const [password, setPassword] = useState("");
  const [isBusy, setIsBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const isCycle = scenario?.value === "edit-cycle";
  const isRehearsal = scenario?.value === "substitution";
  const asksAdmin = isRehearsal || (isCycle && edits.some((edit) => edit !== "name"));
  // A rehearsal has its load twice, before the loss and after the repair.
  const lasts = seconds ?? (isRehearsal ? "3" : "20");
  const first = { value: "", label: "The first that is CONNECTED" };
  const options = [
    first,
    ...(stores.data ?? []).map((one) => ({ value: one.CustomKeyStoreId ?? "", label: one.CustomKeyStoreName ?? "", description: one.ConnectionState ?? "" })),
  ];
  const start = () => {
    const order: LoadOrder = { scenario: scenario?.value ?? "steady", rate: Number(rate), seconds: Number(lasts), account, region };
    if (store !== "") order.key_store = store;
    if (isCycle) order.edits = edits;
    if (isRehearsal) Object.assign(order, { backup: backup?.value ?? "fresh", keys_after_backup: Number(after) });
    if (asksAdmin && password !== "") order.admin_password = password;
    setIsBusy(true);
    setError(null);
    startRun(order).then(({ id }) => navigate(href(`simulator/load/${id}`)), setError).finally(() => setIsBusy(false));
  };
  return (
    <form onSubmit={(event) => { event.preventDefault(); start(); }}>
      <Container header={<Header variant="h2" actions={<Button variant="primary" loading={isBusy}>Start run</Button>}>Start a run</Header>}>
        <SpaceBetween size="m">
          <Failure error={error} what="The run was not started" />
          {isRehearsal && (
            <Alert type="warning" header="The key store's present cluster is destroyed, and stays so">
              A cluster from a backup takes its place. What applications notice meanwhile is measured.
            </Alert>
          )}
          <ColumnLayout columns={3}>
            <FormField label="Scenario">
              <Select selectedOption={scenario ?? null} options={SCENARIOS} onChange={({ detail }) => setScenario(SCENARIOS.find(({ value }) => value === detail.selectedOption.value))} />
            </FormField>
            <FormField label="Calls a second">
              <Input type="number" value={rate} onChange={({ detail }) => setRate(detail.value)} />
            </FormField>
            <FormField label={isRehearsal ? "Seconds before and after" : "Seconds"}>
              <Input type="number" value={lasts} onChange={({ detail }) => setSeconds(detail.value)} />
            </FormField>
            <FormField label="Key store">
              <Select selectedOption={options.find(({ value }) => value === store) ?? first} options={options} onChange={({ detail }) => setStore(detail.selectedOption.value ?? "")} />
            </FormField>
            {isCycle && (
              <FormField label="Edits">
                <Multiselect
                  selectedOptions={EDITS.filter(({ value }) => edits.includes(value))}
                  options={EDITS}
                  onChange={({ detail }) => setEdits(detail.selectedOptions.flatMap(({ value }) => KINDS.find((kind) => kind === value) ?? []))}
                />
              </FormField>
            )}
            {isRehearsal && (
              <FormField label="Backup to restore">
                <Select selectedOption={backup ?? null} options={BACKUPS} onChange={({ detail }) => setBackup(BACKUPS.find(({ value }) => value === detail.selectedOption.value))} />
              </FormField>
            )}
            {isRehearsal && (
              <FormField label="Keys made after the backup" constraintText="The repair loses them.">
                <Input type="number" value={after} onChange={({ detail }) => setAfter(detail.value)} />
              </FormField>
            )}
            {asksAdmin && (
              <FormField label="Password of the clusters' admin" constraintText={isRehearsal ? "For a backup with another password of kmsuser than KMS has: any but a fresh one." : ""}>
                <Input type="password" value={password} autoComplete="new-password" onChange={({ detail }) => setPassword(detail.value)} />
              </FormField>
            )}
          </ColumnLayout>
        </SpaceBetween>
      </Container>
    </form>
  );
}
