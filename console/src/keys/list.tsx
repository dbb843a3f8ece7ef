import { useCallback, useState } from "react";

import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import TextFilter from "@cloudscape-design/components/text-filter";
import Pagination from "@cloudscape-design/components/pagination";
import { useCollection } from "@cloudscape-design/collection-hooks";
import { ListAliasesCommand, type KeyMetadata, type KMSClient } from "@aws-sdk/client-kms";

import { keys, keyStores, KEYS_SHOWN_MAX } from "../aws/keystores.ts";
import { Nothing, State, To, when } from "../parts/common.tsx";
import { Failure } from "../parts/failure.tsx";
import { CALM, useLoad } from "../parts/load.ts";
import { href, navigate } from "../router.ts";
import { useSession } from "../session.tsx";

export interface Alias {
  name: string;
  key: string;
}

/** Aliases by their key; at most the pages that a list of keys needs. */
export async function aliases(kms: KMSClient): Promise<Alias[]> {
  const found: Alias[] = [];
  let Marker: string | undefined;
  do {
    const reply = await kms.send(new ListAliasesCommand({ Marker }));
    for (const { AliasName, TargetKeyId } of reply.Aliases ?? []) {
      if (AliasName !== undefined && TargetKeyId !== undefined) found.push({ name: AliasName, key: TargetKeyId });
    }
    Marker = reply.Truncated === true ? reply.NextMarker : undefined;
  } while (Marker !== undefined && found.length < 10 * KEYS_SHOWN_MAX);
  return found;
}

interface Row extends KeyMetadata {
  aliases: string;
  store: string;
}

const ANY = { value: "", label: "Any status" };

export function KeyList() {
  const { kms } = useSession();
  const found = useLoad(useCallback(() => keys(kms), [kms]), 2 * CALM);
  const named = useLoad(useCallback(() => aliases(kms), [kms]), 2 * CALM);
  const stores = useLoad(useCallback(() => keyStores(kms), [kms]), 2 * CALM);
  const [state, setState] = useState(ANY);

  const rows: Row[] = (found.data ?? []).map((key) => ({
    ...key,
    aliases: (named.data ?? []).filter((one) => one.key === key.KeyId).map((one) => one.name).join(", "),
    store: stores.data?.find((one) => one.CustomKeyStoreId === key.CustomKeyStoreId)?.CustomKeyStoreName ?? key.CustomKeyStoreId ?? "",
  }));
  const states = [...new Set(rows.map((row) => row.KeyState ?? ""))].sort();
  const { items, filterProps, filteredItemsCount, paginationProps, collectionProps } = useCollection(
    rows.filter((row) => state.value === "" || row.KeyState === state.value),
    {
      filtering: { fields: ["KeyId", "aliases", "Description", "store", "Origin", "KeySpec"] },
      pagination: { pageSize: 25 },
      sorting: {},
    },
  );

  return (
    <SpaceBetween size="m">
      <Failure error={found.error} what="The keys could not be listed" onRetry={found.reload} />
      <Table
        {...collectionProps}
        variant="full-page"
        stickyHeader={false}
        items={items}
        loading={found.isLoading}
        loadingText="Loading keys"
        ariaLabels={{ tableLabel: "Customer managed keys" }}
        header={
          <Header
            variant="h1"
            counter={found.data === null ? "" : `(${rows.length}${rows.length >= KEYS_SHOWN_MAX ? "+" : ""})`}
            actions={
              <SpaceBetween direction="horizontal" size="xs">
                <Button iconName="refresh" ariaLabel="Refresh" onClick={found.reload} />
                <Button variant="primary" onClick={() => navigate(href("kms/keys/create"))}>Create key</Button>
              </SpaceBetween>
            }
          >
            Customer managed keys
          </Header>
        }
        filter={
          <SpaceBetween direction="horizontal" size="xs">
            <TextFilter {...filterProps} filteringPlaceholder="Find by ID, alias, description or key store" filteringAriaLabel="Find keys" countText={`${filteredItemsCount ?? 0} found`} />
            <Select
              selectedOption={state}
              options={[ANY, ...states.map((value) => ({ value, label: value }))]}
              ariaLabel="Status"
              onChange={({ detail }) => setState({ value: detail.selectedOption.value ?? "", label: detail.selectedOption.label ?? "" })}
            />
          </SpaceBetween>
        }
        pagination={<Pagination {...paginationProps} ariaLabels={{ nextPageLabel: "Next page", previousPageLabel: "Previous page", pageLabel: (page) => `Page ${page}` }} />}
        empty={found.error !== null ? "" : <Nothing title="No keys" text="There is no key like that in this account and Region." action={<Button onClick={() => navigate(href("kms/keys/create"))}>Create key</Button>} />}
        columnDefinitions={[
          { id: "aliases", header: "Aliases", sortingField: "aliases", cell: (key) => key.aliases || "-" },
          { id: "id", header: "Key ID", isRowHeader: true, sortingField: "KeyId", cell: (key) => <To path={`kms/keys/${key.KeyId ?? ""}`}>{key.KeyId}</To> },
          { id: "state", header: "Status", sortingField: "KeyState", cell: (key) => <State state={key.KeyState} /> },
          { id: "spec", header: "Key spec", sortingField: "KeySpec", cell: (key) => key.KeySpec },
          { id: "usage", header: "Key usage", cell: (key) => key.KeyUsage },
          { id: "store", header: "Key store", sortingField: "store", cell: (key) => key.CustomKeyStoreId === undefined ? (key.Origin ?? "-") : <To path={`kms/key-stores/${key.CustomKeyStoreId}`}>{key.store}</To> },
          { id: "created", header: "Created", cell: (key) => when(key.CreationDate) },
        ]}
      />
    </SpaceBetween>
  );
}
