import { useState } from "react";

import { useCollection } from "@cloudscape-design/collection-hooks";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import Pagination from "@cloudscape-design/components/pagination";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import TextFilter from "@cloudscape-design/components/text-filter";
import Toggle from "@cloudscape-design/components/toggle";

import { events, type EventRecord } from "../admin/api.ts";
import { Nothing, SimulatorOnly, when } from "../parts/common.tsx";
import { Failure } from "../parts/failure.tsx";
import { CALM, useLoad } from "../parts/load.ts";
import { useSession } from "../session.tsx";

/** Calls that only look; a console that is open makes many. */
const LOOKING = /^(Describe|List|Get)/;

export function Events() {
  const { account, region } = useSession();
  const found = useLoad(events, CALM);
  const [isOpen, setIsOpen] = useState(true);
  const [onlyChanges, setOnlyChanges] = useState(true);
  const [chosen, setChosen] = useState<string | null>(null);
  const records = (found.data?.Records ?? []).filter(
    (one) =>
      (one.recipientAccountId ?? account) === account &&
      (one.awsRegion ?? region) === region &&
      !(onlyChanges && LOOKING.test(one.eventName)),
  );
  const rows = records.toReversed();
  const { items, filterProps, paginationProps, filteredItemsCount } = useCollection(rows, {
    filtering: { filteringFunction: (one: EventRecord, text: string) => JSON.stringify(one).toLowerCase().includes(text.toLowerCase()) },
    pagination: { pageSize: 20 },
  });
  const selected = rows.find((one) => one.eventID === chosen);
  return (
    <SpaceBetween size="m">
      <Failure error={found.error} what="The events could not be listed" onRetry={found.reload} />
      <Table
        variant="container"
        items={items}
        trackBy="eventID"
        loading={found.isLoading}
        loadingText="Loading events"
        selectionType="single"
        selectedItems={selected === undefined ? [] : [selected]}
        onSelectionChange={({ detail }) => setChosen(detail.selectedItems[0]?.eventID ?? null)}
        onRowClick={({ detail }) => { setChosen(detail.item.eventID); setIsOpen(true); }}
        ariaLabels={{ tableLabel: "Events", selectionGroupLabel: "Choose an event", itemSelectionLabel: (_selection, one) => `Choose ${one.eventName} ${one.eventID}` }}
        header={
          <Header
            variant="h1"
            info={<SimulatorOnly />}
            counter={found.data === null ? "" : `(${rows.length})`}
            description={`In the form of CloudTrail records, the newest first${(found.data?.dropped ?? 0) > 0 ? `; ${found.data?.dropped ?? 0} older ones were dropped` : ""}`}
            actions={<Button iconName="refresh" ariaLabel="Refresh" onClick={found.reload} />}
          >
            Events
          </Header>
        }
        filter={
          <SpaceBetween direction="horizontal" size="m" alignItems="center">
            <TextFilter {...filterProps} filteringPlaceholder="Find in events" filteringAriaLabel="Find events" countText={`${filteredItemsCount ?? 0} found`} />
            <Toggle checked={onlyChanges} onChange={({ detail }) => setOnlyChanges(detail.checked)}>Without Describe, List and Get</Toggle>
          </SpaceBetween>
        }
        pagination={<Pagination {...paginationProps} ariaLabels={{ nextPageLabel: "Next page", previousPageLabel: "Previous page", pageLabel: (page) => `Page ${page}` }} />}
        empty={<Nothing title="No events" text="Nothing like that has happened in this account and Region since the start." />}
        columnDefinitions={[
          { id: "time", header: "Time", cell: (one) => when(one.eventTime) },
          { id: "name", header: "Event", isRowHeader: true, cell: (one) => one.eventName },
          { id: "source", header: "Source", cell: (one) => one.eventSource },
          { id: "error", header: "Error", cell: (one) => one.errorCode ?? "-" },
          { id: "resource", header: "Resource", cell: (one) => <Box fontSize="body-s">{one.resources?.[0]?.ARN ?? "-"}</Box> },
        ]}
      />
      {selected !== undefined && isOpen && (
        <Container header={<Header variant="h2" actions={<Button onClick={() => setIsOpen(false)}>Close</Button>}>{selected.eventName}</Header>}>
          <pre className="text">{JSON.stringify(selected, null, 2)}</pre>
        </Container>
      )}
    </SpaceBetween>
  );
}
