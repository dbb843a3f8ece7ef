import { useCallback, useState } from "react";

import { ListAliasesCommand, type KeyMetadata, type KMSClient } from "@aws-sdk/client-kms";
import Button from "@cloudscape-design/components/button";
import Select from "@cloudscape-design/components/select";

import { keys, keyStores, KEYS_SHOWN_MAX } from "../aws/keystores.ts";
import { State, To, When } from "../parts/common.tsx";
import { Listing } from "../parts/listing.tsx";
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
  const [state, setState] = useState("");
  const create = () => navigate(href("kms/keys/create"));

  const all: Row[] = (found.data ?? []).map((key) => ({
    ...key,
    aliases: (named.data ?? []).filter((one) => one.key === key.KeyId).map((one) => one.name).join(", "),
    store: stores.data?.find((one) => one.CustomKeyStoreId === key.CustomKeyStoreId)?.CustomKeyStoreName ?? key.CustomKeyStoreId ?? "",
  }));
  const states = [...new Set(all.map((row) => row.KeyState ?? ""))].sort();
  const options = [ANY, ...states.map((value) => ({ value, label: value }))];

  return (
    <Listing
      title="Customer managed keys"
      what="keys"
      found={{ ...found, data: found.data === null ? null : all }}
      rows={all.filter((row) => state === "" || row.KeyState === state)}
      hasMore={all.length >= KEYS_SHOWN_MAX}
      id={(key) => key.KeyId ?? ""}
      onRefresh={() => { named.reload(); stores.reload(); }}
      texts={(key) => [key.KeyId, key.aliases, key.Description, key.store, key.Origin, key.KeySpec]}
      placeholder="Find by ID, alias, description or key store"
      narrow={{
        control: (
          <Select
            selectedOption={options.find(({ value }) => value === state) ?? ANY}
            options={options}
            ariaLabel="Status"
            onChange={({ detail }) => setState(detail.selectedOption.value ?? "")}
          />
        ),
        isNarrow: state !== "",
        onClear: () => setState(""),
      }}
      empty={{ title: "No keys", text: "There is none in this account and Region.", action: <Button onClick={create}>Create key</Button> }}
      actions={<Button variant="primary" onClick={create}>Create key</Button>}
      columns={[
        { id: "aliases", header: "Aliases", sortingField: "aliases", cell: (key) => key.aliases || "-" },
        { id: "id", header: "Key ID", isRowHeader: true, sortingField: "KeyId", cell: (key) => <To path={`kms/keys/${key.KeyId ?? ""}`}>{key.KeyId}</To> },
        { id: "state", header: "Status", sortingField: "KeyState", cell: (key) => <State state={key.KeyState} /> },
        { id: "spec", header: "Key spec", sortingField: "KeySpec", cell: (key) => key.KeySpec },
        { id: "usage", header: "Key usage", cell: (key) => key.KeyUsage },
        { id: "store", header: "Key store", sortingField: "store", cell: (key) => key.CustomKeyStoreId === undefined ? (key.Origin ?? "-") : <To path={`kms/key-stores/${key.CustomKeyStoreId}`}>{key.store}</To> },
        { id: "created", header: "Created", sortingField: "CreationDate", cell: (key) => <When at={key.CreationDate} /> },
      ]}
    />
  );
}
