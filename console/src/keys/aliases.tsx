import { useCallback, useState } from "react";

import { CreateAliasCommand, DeleteAliasCommand, ListAliasesCommand } from "@aws-sdk/client-kms";
import Button from "@cloudscape-design/components/button";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { Confirm, When } from "../parts/common.tsx";
import { Failure } from "../parts/failure.tsx";
import { Listing } from "../parts/listing.tsx";
import { CALM, useLoad } from "../parts/load.ts";
import { useSession } from "../session.tsx";

export function KeyAliases({ id }: { id: string }) {
  const { kms } = useSession();
  const found = useLoad(
    useCallback(async () => (await kms.send(new ListAliasesCommand({ KeyId: id }))).Aliases ?? [], [kms, id]),
    CALM,
  );
  const [name, setName] = useState("");
  const [doomed, setDoomed] = useState<string | null>(null);
  const [error, setError] = useState<unknown>(null);
  const add = () => {
    const AliasName = name.startsWith("alias/") ? name : `alias/${name}`;
    setError(null);
    kms.send(new CreateAliasCommand({ AliasName, TargetKeyId: id })).then(() => setName(""), setError).finally(found.reload);
  };
  return (
    <SpaceBetween size="m">
      <Failure error={error} what="The alias was not created" />
      <Listing
        title="Aliases"
        what="aliases"
        isPart
        found={found}
        id={(alias) => alias.AliasName ?? ""}
        empty={{ title: "No aliases", text: "An alias is a name by which applications call the key." }}
        columns={[
          { id: "name", header: "Alias", isRowHeader: true, cell: (alias) => alias.AliasName },
          { id: "updated", header: "Last updated", cell: (alias) => <When at={alias.LastUpdatedDate} /> },
          { id: "delete", header: "Delete", cell: (alias) => <Button variant="inline-link" ariaLabel={`Delete ${alias.AliasName ?? ""}`} onClick={() => setDoomed(alias.AliasName ?? null)}>Delete</Button> },
        ]}
      />
      <form onSubmit={(event) => { event.preventDefault(); add(); }}>
        <FormField label="New alias" secondaryControl={<Button disabled={name === ""} disabledReason="Type a name.">Create alias</Button>}>
          <Input value={name} placeholder="alias/example" autoComplete={false} onChange={({ detail }) => setName(detail.value)} />
        </FormField>
      </form>
      {doomed !== null && (
        <Confirm
          title={`Delete ${doomed}?`}
          action="Delete"
          onClose={() => setDoomed(null)}
          onConfirm={async () => {
            await kms.send(new DeleteAliasCommand({ AliasName: doomed }));
            found.reload();
          }}
        >
          Applications that call the key by this name will fail. The key itself stays.
        </Confirm>
      )}
    </SpaceBetween>
  );
}
