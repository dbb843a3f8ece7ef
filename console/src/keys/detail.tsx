import { useCallback, useState, type ReactNode } from "react";

import {
  CancelKeyDeletionCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  ScheduleKeyDeletionCommand,
  UpdateKeyDescriptionCommand,
  type KeyMetadata,
} from "@aws-sdk/client-kms";
import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import ButtonDropdown from "@cloudscape-design/components/button-dropdown";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import Tabs from "@cloudscape-design/components/tabs";

import { explain } from "../aws/errors.ts";
import { Confirm, Copied, State, To, when } from "../parts/common.tsx";
import { Failure, FailureText } from "../parts/failure.tsx";
import { useSay } from "../parts/flash.tsx";
import { CALM, useLoad } from "../parts/load.ts";
import { replaceQuery, useQuery } from "../router.ts";
import { useSession } from "../session.tsx";
import { KeyAliases } from "./aliases.tsx";
import { KeyPolicy } from "./policy-tab.tsx";
import { KeyTags } from "./tags.tsx";
import { TryOut } from "./try-out.tsx";

export function KeyDetail({ id }: { id: string }) {
  const { kms } = useSession();
  const query = useQuery();
  const found = useLoad(
    useCallback(async () => (await kms.send(new DescribeKeyCommand({ KeyId: id }))).KeyMetadata ?? null, [kms, id]),
    CALM,
  );
  if (found.error !== null && found.data === null) {
    return <Failure error={found.error} what={`${id} cannot be shown`} onRetry={found.reload} />;
  }
  const key = found.data;
  if (key === null) return <Box padding="l"><Spinner /> Loading the key</Box>;
  return (
    <SpaceBetween size="l">
      <Header variant="h1" description={key.Description || "A key without a description"} actions={<KeyActions id={id} keyOf={key} reload={found.reload} />}>
        {id}
      </Header>
      {key.KeyState === "Unavailable" && (
        <Alert type="warning" header="The key cannot be used">
          Its key store is not connected. See{" "}
          <To path={`kms/key-stores/${key.CustomKeyStoreId ?? ""}`}>{key.CustomKeyStoreId}</To>.
        </Alert>
      )}
      {key.DeletionDate !== undefined && (
        <Alert type="warning" header="The key will be deleted">On {when(key.DeletionDate)}; until then its deletion can be cancelled.</Alert>
      )}
      <Container header={<Header variant="h2">General configuration</Header>}>
        <General keyOf={key} />
      </Container>
      <Tabs
        activeTabId={query.get("tab") ?? "try-out"}
        onChange={({ detail }) => replaceQuery({ tab: detail.activeTabId })}
        ariaLabel="About the key"
        tabs={[
          { id: "try-out", label: "Try it out", content: <TryOut keyOf={key} /> },
          { id: "aliases", label: "Aliases", content: <KeyAliases id={id} /> },
          { id: "policy", label: "Key policy", content: <KeyPolicy id={id} /> },
          { id: "tags", label: "Tags", content: <KeyTags id={id} /> },
        ]}
      />
    </SpaceBetween>
  );
}

function General({ keyOf }: { keyOf: KeyMetadata }) {
  return (
    <KeyValuePairs
      columns={3}
      items={[
        { label: "Status", value: <State state={keyOf.KeyState} /> },
        { label: "Key spec", value: keyOf.KeySpec },
        { label: "Key usage", value: keyOf.KeyUsage },
        { label: "Origin", value: keyOf.Origin },
        {
          label: "Custom key store",
          value: keyOf.CustomKeyStoreId === undefined ? "-" : <To path={`kms/key-stores/${keyOf.CustomKeyStoreId}`}>{keyOf.CustomKeyStoreId}</To>,
        },
        {
          label: "CloudHSM cluster",
          value: keyOf.CloudHsmClusterId === undefined ? "-" : <To path={`cloudhsm/clusters/${keyOf.CloudHsmClusterId}`}>{keyOf.CloudHsmClusterId}</To>,
        },
        { label: "Created", value: when(keyOf.CreationDate) },
        { label: "ARN", value: <Copied text={keyOf.Arn ?? ""} /> },
      ]}
    />
  );
}

/** Waiting periods (AWS KMS API Reference, ScheduleKeyDeletion). */
const DAYS = { min: 7, max: 30 };

type Asked = "schedule" | "describe";

function KeyActions({ id, keyOf, reload }: { id: string; keyOf: KeyMetadata; reload: () => void }) {
  const { kms } = useSession();
  const say = useSay();
  const [asked, setAsked] = useState<Asked | null>(null);
  const [days, setDays] = useState("30");
  const [description, setDescription] = useState("");
  const isPending = keyOf.KeyState === "PendingDeletion";
  const items = [
    { id: "enable", text: "Enable", disabled: keyOf.Enabled === true || isPending, disabledReason: isPending ? "It is pending deletion." : "It is enabled already." },
    { id: "disable", text: "Disable", disabled: keyOf.Enabled !== true || isPending, disabledReason: isPending ? "It is pending deletion." : "It is not enabled." },
    { id: "describe", text: "Edit description" },
    { id: "schedule", text: "Schedule key deletion", disabled: isPending, disabledReason: "It is pending deletion already." },
    { id: "cancel", text: "Cancel key deletion", disabled: !isPending, disabledReason: "Its deletion is not scheduled." },
  ];
  const run = (done: string, send: () => Promise<unknown>) => {
    send().then(
      () => say({ type: "success", header: done }),
      (error: unknown) => say({ type: "error", header: "It was not done", content: <FailureText {...explain(error)} /> }),
    ).finally(reload);
  };
  const act = (action: string) => {
    if (action === "enable") run("The key is enabled", () => kms.send(new EnableKeyCommand({ KeyId: id })));
    if (action === "disable") run("The key is disabled", () => kms.send(new DisableKeyCommand({ KeyId: id })));
    if (action === "cancel") run("The deletion is cancelled; the key is disabled", () => kms.send(new CancelKeyDeletionCommand({ KeyId: id })));
    if (action === "describe") setDescription(keyOf.Description ?? "");
    if (action === "schedule" || action === "describe") setAsked(action);
  };
  const close = () => setAsked(null);
  const schedule = async () => {
    if (!(Number(days) >= DAYS.min && Number(days) <= DAYS.max)) throw new Error(`A waiting period has ${DAYS.min} to ${DAYS.max} days.`);
    await kms.send(new ScheduleKeyDeletionCommand({ KeyId: id, PendingWindowInDays: Number(days) }));
    say({ type: "warning", header: "The deletion is scheduled", content: "Until then it can be cancelled." });
    reload();
  };
  const describe = async () => {
    await kms.send(new UpdateKeyDescriptionCommand({ KeyId: id, Description: description }));
    reload();
  };
  let dialog: ReactNode = null;
  if (asked === "schedule") {
    dialog = (
      <Confirm title="Schedule key deletion" action="Schedule deletion" onConfirm={schedule} onClose={close}>
        <SpaceBetween size="m">
          <div>What was encrypted under a deleted key can never be decrypted again.</div>
          <FormField label="Waiting period in days" constraintText="7 to 30 days">
            <Input type="number" value={days} onChange={({ detail }) => setDays(detail.value)} />
          </FormField>
        </SpaceBetween>
      </Confirm>
    );
  } else if (asked === "describe") {
    dialog = (
      <Confirm title="Edit description" action="Save" onConfirm={describe} onClose={close}>
        <FormField label="Description">
          <Input value={description} autoFocus onChange={({ detail }) => setDescription(detail.value)} />
        </FormField>
      </Confirm>
    );
  }
  return (
    <SpaceBetween direction="horizontal" size="xs">
      <Button iconName="refresh" ariaLabel="Refresh" onClick={reload} />
      <ButtonDropdown items={items} onItemClick={({ detail }) => act(detail.id)}>Key actions</ButtonDropdown>
      {dialog}
    </SpaceBetween>
  );
}
