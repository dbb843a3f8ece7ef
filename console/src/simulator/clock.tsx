import { useState } from "react";

import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { advance, clock, setScale, setStateChanges } from "../admin/api.ts";
import { explain } from "../aws/errors.ts";
import { SimulatorOnly, When, when } from "../parts/common.tsx";
import { Failure, FailureText } from "../parts/failure.tsx";
import { useSay } from "../parts/flash.tsx";
import { useLoad } from "../parts/load.ts";

const HOUR = 3600;
const STEPS: [string, number][] = [["1 hour", HOUR], ["1 day", 24 * HOUR], ["7 days", 7 * 24 * HOUR], ["30 days", 30 * 24 * HOUR], ["90 days", 90 * 24 * HOUR]];
const PACES = [
  { value: "immediate", label: "immediate", description: "CONNECTING and the like last as long as the work takes" },
  { value: "aws", label: "aws", description: "As long as on AWS" },
  { value: "after:5", label: "after:5", description: "Five seconds" },
  { value: "after:30", label: "after:30", description: "Thirty seconds" },
  { value: "describes:3", label: "describes:3", description: "Until they have been described three times" },
];

export function ClockPage() {
  const say = useSay();
  const found = useLoad(clock, 1000);
  const [typed, setScaleText] = useState<string | null>(null);
  const [isBusy, setIsBusy] = useState(false);
  const run = (done: string, send: () => Promise<unknown>) => {
    setIsBusy(true);
    send().then(
      () => say({ type: "success", header: done }),
      (error: unknown) => say({ type: "error", header: "The clock was not changed", content: <FailureText {...explain(error)} /> }),
    ).finally(() => {
      setIsBusy(false);
      found.reload();
    });
  };
  const now = found.data;
  const scale = typed ?? (now === null ? "" : String(now.time_scale));
  const pace = now?.state_changes ?? "";
  return (
    <SpaceBetween size="l">
      <Header variant="h1" info={<SimulatorOnly />} description="Deletions, daily backups and retention happen by this clock">Clock</Header>
      <Failure error={found.error} what="The clock cannot be read" onRetry={found.reload} />
      <Container header={<Header variant="h2">The services&apos; clock</Header>}>
        <KeyValuePairs
          columns={4}
          items={[
            { label: "It shows", value: <Box fontSize="heading-l" fontWeight="bold"><When at={now?.now} /></Box> },
            { label: "The machine's clock", value: when(now?.real) },
            { label: "Time scale", value: now === null ? "-" : (now.time_scale === 1 ? "Real time" : `${now.time_scale} times real time`) },
            { label: "Changes of state", value: pace === "" ? "-" : pace },
          ]}
        />
      </Container>
      <Container header={<Header variant="h2" description="What is due by the new date has happened when the clock is there">Put it forward</Header>}>
        <SpaceBetween direction="horizontal" size="xs">
          {STEPS.map(([text, seconds]) => (
            <Button key={text} disabled={isBusy} onClick={() => run(`The clock was put forward by ${text}`, () => advance(seconds))}>{text}</Button>
          ))}
        </SpaceBetween>
      </Container>
      <Container header={<Header variant="h2">How time passes</Header>}>
        <SpaceBetween size="l">
          <form onSubmit={(event) => { event.preventDefault(); run("The time scale was set", () => setScale(Number(scale))); }}>
            <FormField label="Time scale" constraintText="1 is real time; at most 1,000,000" secondaryControl={<Button loading={isBusy}>Set</Button>}>
              <Input type="number" value={scale} onChange={({ detail }) => setScaleText(detail.value)} />
            </FormField>
          </form>
          <FormField label="Changes of state" description="How long CONNECTING, CREATE_IN_PROGRESS and the like last, until the next start">
            <Select
              selectedOption={PACES.find(({ value }) => value === pace) ?? (pace === "" ? null : { value: pace, label: pace })}
              options={PACES}
              placeholder="Choose"
              onChange={({ detail }) => run("The pace was set", () => setStateChanges(detail.selectedOption.value ?? "immediate"))}
            />
          </FormField>
        </SpaceBetween>
      </Container>
    </SpaceBetween>
  );
}
