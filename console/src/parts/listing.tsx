/** Lists of resources, all alike: a heading with a number, a filter, pages, and what to say of an empty one. */
import type { ReactNode } from "react";

import { useCollection } from "@cloudscape-design/collection-hooks";
import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import Pagination from "@cloudscape-design/components/pagination";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table, { type TableProps } from "@cloudscape-design/components/table";
import TextFilter from "@cloudscape-design/components/text-filter";

import { Nothing } from "./common.tsx";
import { Failure } from "./failure.tsx";
import type { Loaded } from "./load.ts";

/** Rows of a page of a list: about what a screen shows. */
const PAGE_ROWS = 25;

export interface ListingProps<T> {
  title: string;
  /** What is listed, as within a sentence: `key stores`. */
  what: string;
  found: Loaded<T[]>;
  /** The rows to show, where they are fewer or richer than what was found. */
  rows?: T[];
  id: (row: T) => string;
  columns: TableProps.ColumnDefinition<T>[];
  empty: { title: string; text: string; action?: ReactNode };
  /** A part of a page and not a page of its own. */
  isPart?: boolean;
  description?: ReactNode;
  info?: ReactNode;
  /** Whether there are more than were found. */
  hasMore?: boolean;
  actions?: ReactNode;
  /** What is asked anew besides the rows. */
  onRefresh?: () => void;
  /** In which texts of a row the filter looks; without it there is no filter. */
  texts?: (row: T) => (string | undefined)[];
  filterText?: string;
  placeholder?: string;
  /** Controls beside the filter, whether they hide rows, and what shows all again. */
  narrow?: { control: ReactNode; isNarrow: boolean; onClear: () => void };
  /** For lists of which one row is chosen. */
  choice?: { one: string; chosen: string | null; onChoose: (id: string | null) => void; name: (row: T) => string };
}

export function Listing<T>(props: ListingProps<T>) {
  const { found, what, choice, narrow } = props;
  const rows = props.rows ?? found.data ?? [];
  const { items, actions, filterProps, filteredItemsCount, paginationProps, collectionProps } = useCollection<T>(rows, {
    filtering: {
      defaultFilteringText: props.filterText ?? "",
      filteringFunction: (row, text) => text === "" || matches(props.texts?.(row) ?? [], text),
    },
    pagination: { pageSize: PAGE_ROWS },
    sorting: {},
  });
  const selected = rows.find((row) => props.id(row) === choice?.chosen);
  const isFiltered = filterProps.filteringText !== "" || narrow?.isNarrow === true;
  const clear = () => {
    actions.setFiltering("");
    narrow?.onClear();
  };
  const nothing = isFiltered ? (
    <Nothing title={`No ${what} match`} text="Others are there, or may be." action={<Button onClick={clear}>Clear filter</Button>} />
  ) : (
    <Nothing {...props.empty} />
  );
  const refresh = () => {
    found.reload();
    props.onRefresh?.();
  };
  return (
    <SpaceBetween size="m">
      <Failure error={found.error} what={`The ${what} could not be listed`} onRetry={refresh} />
      <Table<T>
        {...collectionProps}
        variant={props.isPart === true ? "container" : "full-page"}
        stickyHeader={false}
        wrapLines
        items={items}
        trackBy={props.id}
        loading={found.isLoading}
        loadingText={`Loading ${what}`}
        {...(choice !== undefined && {
          selectionType: "single" as const,
          selectedItems: selected === undefined ? [] : [selected],
          onSelectionChange: ({ detail }) => choice.onChoose(idOf(detail.selectedItems[0], props.id)),
          onRowClick: ({ detail }) => choice.onChoose(props.id(detail.item)),
        })}
        ariaLabels={{
          tableLabel: props.title,
          ...(choice !== undefined && {
            selectionGroupLabel: `Choose ${choice.one}`,
            itemSelectionLabel: (_selection: unknown, row: T) => `Choose ${choice.name(row)}`,
          }),
        }}
        header={
          <Header
            variant={props.isPart === true ? "h2" : "h1"}
            counter={found.data === null ? "" : `(${rows.length}${props.hasMore === true ? "+" : ""})`}
            description={props.description}
            info={props.info}
            actions={
              <SpaceBetween direction="horizontal" size="xs">
                <Button iconName="refresh" ariaLabel={`Refresh the ${what}`} onClick={refresh} />
                {props.actions}
              </SpaceBetween>
            }
          >
            {props.title}
          </Header>
        }
        filter={
          props.texts !== undefined && (
            <div className="filters">
              <TextFilter
                {...filterProps}
                filteringPlaceholder={props.placeholder ?? `Find ${what}`}
                filteringAriaLabel={`Find ${what}`}
                countText={isFiltered ? `${filteredItemsCount ?? 0} found` : ""}
              />
              {narrow?.control}
            </div>
          )
        }
        pagination={
          (filteredItemsCount ?? 0) > PAGE_ROWS && (
            <Pagination
              {...paginationProps}
              ariaLabels={{ nextPageLabel: "Next page", previousPageLabel: "Previous page", pageLabel: (page) => `Page ${page}` }}
            />
          )
        }
        empty={found.error !== null && found.data === null ? "" : nothing}
        columnDefinitions={props.columns}
      />
    </SpaceBetween>
  );
}

function matches(texts: (string | undefined)[], text: string): boolean {
  return texts.some((one) => one?.toLowerCase().includes(text.toLowerCase()));
}

function idOf<T>(row: T | undefined, id: (row: T) => string): string | null {
  return row === undefined ? null : id(row);
}
