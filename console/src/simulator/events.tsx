import { useState } from "react";

import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Toggle from "@cloudscape-design/components/toggle";

import { events } from "../admin/api.ts";
import { SimulatorOnly, When } from "../parts/common.tsx";
import { Listing } from "../parts/listing.tsx";
import { CALM, useLoad } from "../parts/load.ts";
import { useSession } from "../session.tsx";

/** Calls that only look; a console that is open makes many. */
const LOOKING = /^(Describe|List|Get)/;

export function Events() {
  const { account, region } = useSession();
  const found = useLoad(events, CALM);
  const [onlyChanges, setOnlyChanges] = useState(true);
  const [chosen, setChosen] = useState<string | null>(null);
  const records = (found.data?.Records ?? []).filter(
    (one) =>
      (one.recipientAccountId ?? account) === account &&
      (one.awsRegion ?? region) === region &&
      !(onlyChanges && LOOKING.test(one.eventName)),
  );
  const rows = records.toReversed();
  const selected = rows.find((one) => one.eventID === chosen);
  const dropped = found.data?.dropped ?? 0;
  return (
    <SpaceBetween size="m">
      <Listing
        title="Events"
        what="events"
        info={<SimulatorOnly />}
        description={`In the form of CloudTrail records, the newest first${dropped > 0 ? `; ${dropped} older ones were dropped` : ""}`}
        found={{ ...found, data: found.data?.Records ?? null }}
        rows={rows}
        id={(one) => one.eventID}
        choice={{ one: "an event", chosen, onChoose: setChosen, name: (one) => `${one.eventName} ${one.eventID}` }}
        texts={(one) => [JSON.stringify(one)]}
        placeholder="Find anything in events"
        narrow={{
          control: <Toggle checked={onlyChanges} onChange={({ detail }) => setOnlyChanges(detail.checked)}>Without Describe, List and Get</Toggle>,
          isNarrow: false,
          onClear: () => undefined,
        }}
        empty={{ title: "No events", text: "Nothing like that has happened in this account and Region since the start." }}
        columns={[
          { id: "time", header: "Time", cell: (one) => <When at={one.eventTime} /> },
          { id: "name", header: "Event", isRowHeader: true, sortingField: "eventName", cell: (one) => one.eventName },
          { id: "source", header: "Source", cell: (one) => one.eventSource },
          { id: "error", header: "Error", sortingField: "errorCode", cell: (one) => one.errorCode ?? "-" },
          { id: "resource", header: "Resource", cell: (one) => <Box fontSize="body-s">{one.resources?.[0]?.ARN ?? "-"}</Box> },
        ]}
      />
      {selected !== undefined && (
        <Container header={<Header variant="h2" actions={<Button onClick={() => setChosen(null)}>Close</Button>}>{selected.eventName}</Header>}>
          <pre className="text" tabIndex={0} aria-label="The record">{JSON.stringify(selected, null, 2)}</pre>
        </Container>
      )}
    </SpaceBetween>
  );
}
