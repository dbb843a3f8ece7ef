/** What a rehearsal of the repair came to. */
import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import Table from "@cloudscape-design/components/table";

import type { Rehearsal, RehearsalStage } from "../admin/api.ts";
import { count, To } from "../parts/common.tsx";

/** The stages of the repair in words. */
const STAGES: Record<string, string> = {
  before: "All is well",
  lost: "The cluster is gone, and nobody has noticed",
  restoring: "A new cluster is made from a backup",
  substituting: "The key store is disconnected and given the new cluster",
  connecting: "Until CONNECTED or FAILED is seen",
  after: "All is well again",
};

const LIMITS: Record<string, string> = {
  outage_ms: "Outage in milliseconds",
  lost_keys: "Lost keys",
  failures_while_connected: "Calls that failed before the loss and after the repair",
  failures: "Calls that failed",
};

const seconds = (ms: number) => `${(ms / 1000).toFixed(2)} s`;
const failures = (stage: RehearsalStage) => Object.values(stage.failed).reduce((sum, one) => sum + one, 0);

export function RehearsalReport({ rehearsal }: { rehearsal: Rehearsal }) {
  const { outage_ms: outage } = rehearsal;
  return (
    <SpaceBetween size="l">
      <Alert
        type={!rehearsal.passed ? "error" : rehearsal.lost_keys.length > 0 ? "warning" : "success"}
        header={outage === null ? "No call succeeded any more" : `Nobody got an answer for ${seconds(outage)}`}
      >
        {rehearsal.lost_keys.length === 0
          ? `Every key (${rehearsal.keys}) opens what was encrypted before.`
          : `${rehearsal.keys - rehearsal.lost_keys.length} of ${rehearsal.keys} keys open what was encrypted before.`}
      </Alert>
      <Container header={<Header variant="h2">Result</Header>}>
        <KeyValuePairs
          columns={4}
          items={[
            { label: "Outage", value: outage === null ? "no end" : seconds(outage) },
            { label: "Lost keys", value: `${rehearsal.lost_keys.length} of ${rehearsal.keys}` },
            { label: "Failed connects", value: rehearsal.connect_errors.join(", ") || "none" },
            { label: "Gate leaks, wrong plaintexts", value: `${rehearsal.gate_leaks}, ${rehearsal.wrong_plaintexts}` },
            { label: "Key store", value: <To path={`kms/key-stores/${rehearsal.key_store_id}`}>{rehearsal.key_store_id}</To> },
            { label: "Destroyed cluster", value: rehearsal.old_cluster_id },
            { label: "From backup", value: rehearsal.backup_id },
            { label: "New cluster", value: <To path={`cloudhsm/clusters/${rehearsal.new_cluster_id}`}>{rehearsal.new_cluster_id}</To> },
          ]}
        />
      </Container>
      <Table
        header={<Header variant="h2" description="By when they were sent">Calls by stage of the repair</Header>}
        ariaLabels={{ tableLabel: "Calls by stage" }}
        items={rehearsal.stages}
        wrapLines
        columnDefinitions={[
          { id: "stage", header: "Stage", isRowHeader: true, cell: (one) => <StageName stage={one.stage} /> },
          { id: "from", header: "From", cell: (one) => seconds(one.start_ms) },
          { id: "to", header: "To", cell: (one) => seconds(one.end_ms) },
          { id: "succeeded", header: "Succeeded", cell: (one) => count(one.succeeded) },
          { id: "failed", header: "Failed", cell: (one) => count(failures(one)) },
          { id: "with", header: "Failed with", cell: (one) => <FailedWith stage={one} /> },
        ]}
      />
      {rehearsal.lost_keys.length > 0 && (
        <Table
          header={<Header variant="h2" counter={`(${rehearsal.lost_keys.length})`} description="Newer than the backup, or without material in it">Lost keys</Header>}
          ariaLabels={{ tableLabel: "Lost keys" }}
          items={rehearsal.lost_keys}
          columnDefinitions={[
            { id: "key", header: "Key", isRowHeader: true, cell: (one) => <To path={`kms/keys/${one.key_id}`}>{one.key_id}</To> },
            { id: "error", header: "Decrypt answers", cell: (one) => one.error },
          ]}
        />
      )}
      <Table
        header={<Header variant="h2">Limits</Header>}
        ariaLabels={{ tableLabel: "Limits" }}
        items={rehearsal.thresholds}
        columnDefinitions={[
          { id: "name", header: "Limit", isRowHeader: true, cell: (one) => LIMITS[one.name] ?? one.name },
          { id: "limit", header: "At most", cell: (one) => count(one.limit) },
          { id: "found", header: "Found", cell: (one) => (one.found === null ? "-" : count(one.found)) },
          { id: "passed", header: "Result", cell: (one) => <StatusIndicator type={one.passed ? "success" : "error"}>{one.passed ? "Kept" : "Missed"}</StatusIndicator> },
        ]}
      />
    </SpaceBetween>
  );
}

function StageName({ stage }: { stage: string }) {
  return (
    <>
      {stage}
      <Box variant="small" display="block">{STAGES[stage] ?? ""}</Box>
    </>
  );
}

function FailedWith({ stage }: { stage: RehearsalStage }) {
  const named = Object.entries(stage.failed);
  return <>{named.length === 0 ? "-" : named.map(([name, calls]) => <div key={name}>{name}: {count(calls)}</div>)}</>;
}
