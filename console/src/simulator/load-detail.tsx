import { useEffect, useState } from "react";

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import ExpandableSection from "@cloudscape-design/components/expandable-section";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";

import { reportAddress, run as show, stopRun, type LoadRunDetail } from "../admin/api.ts";
import { count, millis, SimulatorOnly, State, To, when } from "../parts/common.tsx";
import { Failure } from "../parts/failure.tsx";
import { useSay } from "../parts/flash.tsx";
import { Chart } from "./chart.tsx";
import { Result } from "./load-list.tsx";
import { RehearsalReport } from "./rehearsal.tsx";

/** The run as far as it is known: each look asks only for the lines that came since. */
function useRun(id: string): { run: LoadRunDetail | null; error: unknown } {
  const [run, setRun] = useState<LoadRunDetail | null>(null);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    let isGone = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let known: LoadRunDetail["timeline"] = [];
    const look = () => {
      show(id, known.length).then(
        (found) => {
          if (isGone) return;
          known = [...known, ...found.timeline];
          setRun({ ...found, timeline: known });
          setError(null);
          if (found.state === "running") timer = setTimeout(look, 500);
        },
        (failure: unknown) => {
          if (isGone) return;
          setError(failure);
          timer = setTimeout(look, 2000);
        },
      );
    };
    look();
    return () => {
      isGone = true;
      clearTimeout(timer);
    };
  }, [id]);
  return { run, error };
}

export function LoadDetail({ id }: { id: string }) {
  const say = useSay();
  const { run, error } = useRun(id);
  if (run === null) {
    return error === null ? <Box padding="l"><Spinner /> Loading the run</Box> : <Failure error={error} what={`${id} cannot be shown`} />;
  }
  const { summary, order } = run;
  const isRunning = run.state === "running";
  const isRehearsal = order?.scenario === "substitution";
  const stop = () => {
    stopRun(id).catch((failure: unknown) => say({ type: "error", header: "It was not ended", content: String(failure) }));
  };
  return (
    <SpaceBetween size="l">
      <Header
        variant="h1"
        info={<SimulatorOnly />}
        description={order === null ? "" : `${order.scenario}, ${count(order.rate)} calls a second for ${order.seconds} s${isRehearsal ? " before the loss and after the repair" : ""}, started ${when(order.started_at_ms)}`}
        actions={
          isRunning ? (
            <Button onClick={stop}>End the run</Button>
          ) : isRehearsal ? null : (
            <Button href={reportAddress(id)} target="_blank" iconName="external" iconAlign="right" disabled={summary === null}>Open report</Button>
          )
        }
      >
        {id}
      </Header>
      <Failure error={error} what="The run cannot be followed" />
      {isRehearsal ? <Rehearsed run={run} /> : <Measured run={run} />}
      <ExpandableSection headerText="What the load generator wrote" variant="container" defaultExpanded={!isRunning && summary === null && run.rehearsal === null}>
        <pre className="text" tabIndex={0} aria-label="What the load generator wrote">{run.messages || "Nothing yet."}</pre>
      </ExpandableSection>
    </SpaceBetween>
  );
}

/** A rehearsal has its report at the end; meanwhile the key store shows how far it is. */
function Rehearsed({ run }: { run: LoadRunDetail }) {
  if (run.rehearsal !== null) return <RehearsalReport rehearsal={run.rehearsal} />;
  if (run.state !== "running") {
    return <Alert type="error" header="The rehearsal was not carried out to its end">The key store stays as it is now. What the rehearsal wrote says why.</Alert>;
  }
  return (
    <Alert type="info" header="The rehearsal is under way">
      The cluster is destroyed under load, a new one is made from a backup and takes its place. See{" "}
      <To path="kms/key-stores">the key stores</To> and <To path="cloudhsm/clusters">the clusters</To> meanwhile; the report comes here.
    </Alert>
  );
}

function Measured({ run }: { run: LoadRunDetail }) {
  const { summary, order } = run;
  return (
    <SpaceBetween size="l">
      <Container header={<Header variant="h2" description="Latencies are measured from the instant at which a call was meant to be sent">Throughput and latency</Header>}>
        <Chart timeline={run.timeline} seconds={order?.seconds ?? 0} />
      </Container>
      <Container header={<Header variant="h2">Result</Header>}>
        <KeyValuePairs
          columns={4}
          items={[
            { label: "State", value: <State state={run.state} /> },
            { label: "Result", value: <Result run={run} /> },
            { label: "Achieved rate", value: summary === null ? "-" : `${count(summary.achieved_rate)}/s` },
            { label: "Succeeded, failed", value: summary === null ? "-" : `${count(summary.succeeded)}, ${count(summary.failed)}` },
            { label: "p50, p99", value: summary === null ? "-" : `${millis(summary.latency?.latency_us_p50)}, ${millis(summary.latency?.latency_us_p99)}` },
            { label: "Edits made", value: summary?.edits_made ?? "-" },
            { label: "Gate leaks", value: summary?.gate_leaks ?? "-" },
            { label: "Wrong plaintexts", value: summary?.wrong_plaintexts ?? "-" },
          ]}
        />
      </Container>
    </SpaceBetween>
  );
}
