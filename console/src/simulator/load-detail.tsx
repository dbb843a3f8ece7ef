import { useEffect, useState } from "react";

import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import ExpandableSection from "@cloudscape-design/components/expandable-section";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";

import { reportAddress, run as show, stopRun, type RunDetail } from "../admin/api.ts";
import { count, millis, SimulatorOnly, State, when } from "../parts/common.tsx";
import { Failure } from "../parts/failure.tsx";
import { useSay } from "../parts/flash.tsx";
import { Chart } from "./chart.tsx";
import { Result } from "./load-list.tsx";

/** The run as far as it is known: each look asks only for the lines that came since. */
function useRun(id: string): { run: RunDetail | null; error: unknown } {
  const [run, setRun] = useState<RunDetail | null>(null);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    let isGone = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let known: RunDetail["timeline"] = [];
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
  const stop = () => {
    stopRun(id).catch((failure: unknown) => say({ type: "error", header: "It was not ended", content: String(failure) }));
  };
  return (
    <SpaceBetween size="l">
      <Header
        variant="h1"
        info={<SimulatorOnly />}
        description={order === null ? "" : `${order.scenario}, ${count(order.rate)} calls a second for ${order.seconds} s, started ${when(order.started_at_ms)}`}
        actions={
          isRunning ? (
            <Button onClick={stop}>End the run</Button>
          ) : (
            <Button href={reportAddress(id)} target="_blank" iconName="external" iconAlign="right" disabled={summary === null}>Open report</Button>
          )
        }
      >
        {id}
      </Header>
      <Failure error={error} what="The run cannot be followed" />
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
      <ExpandableSection headerText="What the load generator wrote" variant="container" defaultExpanded={!isRunning && summary === null}>
        <pre className="text">{run.messages || "Nothing yet."}</pre>
      </ExpandableSection>
    </SpaceBetween>
  );
}
