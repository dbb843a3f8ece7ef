import { useCallback, useState } from "react";

import { ListResourceTagsCommand, TagResourceCommand, UntagResourceCommand } from "@aws-sdk/client-kms";
import Button from "@cloudscape-design/components/button";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";

import { Failure } from "../parts/failure.tsx";
import { Listing } from "../parts/listing.tsx";
import { useLoad } from "../parts/load.ts";
import { useSession } from "../session.tsx";

export function KeyTags({ id }: { id: string }) {
  const { kms } = useSession();
  const found = useLoad(
    useCallback(async () => (await kms.send(new ListResourceTagsCommand({ KeyId: id }))).Tags ?? [], [kms, id]),
  );
  const [tag, setTag] = useState({ key: "", value: "" });
  const [error, setError] = useState<unknown>(null);
  const send = (change: Promise<unknown>) => {
    setError(null);
    change.then(() => setTag({ key: "", value: "" }), setError).finally(found.reload);
  };
  return (
    <SpaceBetween size="m">
      <Failure error={error} what="The tags were not changed" />
      <Listing
        title="Tags"
        what="tags"
        isPart
        found={found}
        id={(one) => one.TagKey ?? ""}
        empty={{ title: "No tags", text: "A tag is a name with a value, for bills and for policies." }}
        columns={[
          { id: "key", header: "Key", isRowHeader: true, cell: (one) => one.TagKey },
          { id: "value", header: "Value", cell: (one) => one.TagValue },
          {
            id: "remove",
            header: "Remove",
            cell: (one) => (
              <Button variant="inline-link" ariaLabel={`Remove ${one.TagKey ?? ""}`} onClick={() => send(kms.send(new UntagResourceCommand({ KeyId: id, TagKeys: [one.TagKey ?? ""] })))}>
                Remove
              </Button>
            ),
          },
        ]}
      />
      <form
        onSubmit={(event) => {
          event.preventDefault();
          send(kms.send(new TagResourceCommand({ KeyId: id, Tags: [{ TagKey: tag.key, TagValue: tag.value }] })));
        }}
      >
        <SpaceBetween direction="horizontal" size="xs" alignItems="end">
          <FormField label="Tag key">
            <Input value={tag.key} autoComplete={false} onChange={({ detail }) => setTag({ ...tag, key: detail.value })} />
          </FormField>
          <FormField label="Tag value">
            <Input value={tag.value} autoComplete={false} onChange={({ detail }) => setTag({ ...tag, value: detail.value })} />
          </FormField>
          <Button disabled={tag.key === ""} disabledReason="Type a key.">Add tag</Button>
        </SpaceBetween>
      </form>
    </SpaceBetween>
  );
}
