import { useCallback, useEffect, useState } from "react";

import { DecryptCommand, EncryptCommand } from "@aws-sdk/client-kms";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import ProgressBar from "@cloudscape-design/components/progress-bar";
import SegmentedControl from "@cloudscape-design/components/segmented-control";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import StatusIndicator from "@cloudscape-design/components/status-indicator";

import { events } from "../admin/api.ts";
import { clusters, keys, keyStore, keyStores } from "../aws/keystores.ts";
import { backups } from "../cloudhsm/backups.tsx";
import { whyNot } from "../keystores/actions.ts";
import { useActions } from "../keystores/do.tsx";
import { SimulatorOnly, State, To } from "../parts/common.tsx";
import { Failure } from "../parts/failure.tsx";
import { Listing } from "../parts/listing.tsx";
import { CALM, useLoad } from "../parts/load.ts";
import { href, navigate, replaceQuery, useQuery } from "../router.ts";
import { useSession } from "../session.tsx";
import { credentials, substitute, substitution, usableBackups, type Move, type Step, type View } from "./runbook.ts";

export function RunbookList() {
  const { kms } = useSession();
  const found = useLoad(useCallback(() => keyStores(kms), [kms]), CALM);
  return (
    <Listing
      title="Runbooks"
      what="key stores"
      info={<SimulatorOnly />}
      description="The repair of a key store as a checklist that ticks itself as the state changes. Choose a key store."
      found={found}
      id={(store) => store.CustomKeyStoreId ?? ""}
      texts={(store) => [store.CustomKeyStoreName, store.CustomKeyStoreId, store.CloudHsmClusterId]}
      empty={{ title: "No key stores", text: "There is nothing to repair in this account and Region." }}
      columns={[
        { id: "name", header: "Key store", isRowHeader: true, sortingField: "CustomKeyStoreName", cell: (store) => <To path={`simulator/runbooks/${store.CustomKeyStoreId ?? ""}`}>{store.CustomKeyStoreName}</To> },
        { id: "state", header: "Status", cell: (store) => <State state={store.ConnectionState} /> },
        { id: "code", header: "Error code", cell: (store) => store.ConnectionErrorCode ?? "-" },
        { id: "cluster", header: "Cluster", cell: (store) => store.CloudHsmClusterId },
      ]}
    />
  );
}

const BOOKS = [
  { id: "substitution", text: "Replace the cluster" },
  { id: "credentials", text: "Reset kmsuser's password" },
];

const LABELS: Record<Move, string> = {
  backups: "Open the backups",
  create: "Create cluster from backup",
  cluster: "Open the cluster",
  disconnect: "Disconnect",
  users: "Open the users",
  edit: "Edit settings",
  connect: "Connect",
  try: "Try a key",
};

export function Runbook({ id }: { id: string }) {
  const { kms, cloudhsm } = useSession();
  const query = useQuery();
  const [isTried, setIsTried] = useState(false);
  const [failure, setFailure] = useState<unknown>(null);
  const found = useLoad(
    useCallback(async () => {
      const [store, all, saved, told] = await Promise.all([keyStore(kms, id), clusters(cloudhsm), backups(cloudhsm), events()]);
      return store === null ? null : { store, clusters: all, backups: saved, records: told.Records };
    }, [kms, cloudhsm, id]),
    1000,
  );
  const { act, dialog } = useActions(found.reload);
  const present = found.data?.store.CloudHsmClusterId;
  const original = query.get("original") ?? present ?? "";
  useEffect(() => {
    // The address keeps which cluster is to be replaced, also when the key store has another by then.
    if (present !== undefined && query.get("original") === null) replaceQuery({ original: present });
  }, [present, query]);

  if (found.error !== null && found.data === null) {
    return <Failure error={found.error} what={`The runbook of ${id} cannot be shown`} onRetry={found.reload} />;
  }
  if (found.data === null) return <Box padding="l"><Spinner /> Loading the runbook</Box>;
  const view: View = { ...found.data, original, isTried };
  const book = query.get("book") ?? BOOKS[0]?.id ?? "";
  const steps = book === "credentials" ? credentials(view) : substitution(view);
  const done = steps.filter((step) => step.isDone).length;
  const made = substitute(view);

  const tryKey = async () => {
    const own = (await keys(kms)).filter((key) => key.CustomKeyStoreId === id && key.KeyState === "Enabled");
    const KeyId = own.sort((one, other) => (one.CreationDate?.getTime() ?? 0) - (other.CreationDate?.getTime() ?? 0))[0]?.KeyId;
    if (KeyId === undefined) throw new Error("The key store has no enabled key. Create one.");
    const sealed = await kms.send(new EncryptCommand({ KeyId, Plaintext: new TextEncoder().encode("runbook") }));
    await kms.send(new DecryptCommand({ KeyId, CiphertextBlob: sealed.CiphertextBlob }));
    setIsTried(true);
  };
  const move = (wanted: Move) => {
    const backup = usableBackups(view)[0]?.BackupId ?? "";
    const cluster = made?.ClusterId ?? original;
    switch (wanted) {
      case "backups": return navigate(href("cloudhsm/backups", { cluster: original }));
      case "create": return navigate(href("cloudhsm/clusters/create", { backup }));
      case "cluster": return navigate(href(`cloudhsm/clusters/${cluster}`));
      case "users": return navigate(href(`cloudhsm/clusters/${view.store.CloudHsmClusterId ?? ""}`, { tab: "users" }));
      case "disconnect":
      case "connect":
      case "edit": return act(wanted, view.store);
      case "try":
        setFailure(null);
        tryKey().catch(setFailure);
    }
  };
  const reason = (step: Step): string | null => {
    if (step.move === "create" && usableBackups(view).length === 0) return "There is no backup yet.";
    if (step.id !== "create" && step.move === "cluster" && made === undefined) return "Create the cluster first.";
    if (step.move === "connect" || step.move === "disconnect" || step.move === "edit") return whyNot(step.move, view.store);
    if (step.move === "try" && book === "substitution" && view.store.CloudHsmClusterId === original) return "Replace the cluster first.";
    return step.move === "try" && view.store.ConnectionState !== "CONNECTED" ? "Connect the key store first." : null;
  };
  return (
    <SpaceBetween size="l">
      <Header
        variant="h1"
        info={<SimulatorOnly />}
        actions={<Button onClick={() => navigate(href("simulator/load", { scenario: "substitution", store: id }))}>Rehearse it under load</Button>}
        description={<>Key store <To path={`kms/key-stores/${id}`}>{view.store.CustomKeyStoreName}</To>, {original}</>}
      >
        Runbook
      </Header>
      <SegmentedControl label="Runbook" selectedId={book} options={BOOKS} onChange={({ detail }) => replaceQuery({ book: detail.selectedId })} />
      <Failure error={failure} what="The key could not be used" />
      <Container header={<Header variant="h2" counter={`(${done}/${steps.length})`}>{BOOKS.find((one) => one.id === book)?.text}</Header>}>
        <SpaceBetween size="m">
          <ProgressBar value={(100 * done) / steps.length} ariaLabel="Steps that are done" />
          <ol className="checklist">
            {steps.map((step) => (
              <li key={step.id} data-testid={`step-${step.id}`} data-done={step.isDone}>
                <StatusIndicator type={step.isDone ? "success" : "pending"}>{step.isDone ? "Done" : "Open"}</StatusIndicator>
                <div>
                  <Box variant="strong" display="block">{step.text}</Box>
                  <Box variant="small">{step.detail}</Box>
                </div>
                {step.move !== null && !step.isDone && (
                  <Button disabled={reason(step) !== null} disabledReason={reason(step) ?? ""} onClick={() => move(step.move ?? "backups")}>{LABELS[step.move]}</Button>
                )}
              </li>
            ))}
          </ol>
          {done === steps.length && <StatusIndicator>The key store is repaired</StatusIndicator>}
        </SpaceBetween>
      </Container>
      {dialog}
    </SpaceBetween>
  );
}
