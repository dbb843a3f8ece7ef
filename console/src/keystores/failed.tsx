/** Why a connect failed and what repairs it, each step with its button. */
import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import SpaceBetween from "@cloudscape-design/components/space-between";

import type { KeyStore } from "../aws/keystores.ts";
import { To } from "../parts/common.tsx";
import { href, navigate } from "../router.ts";
import { whyNot, type Action } from "./actions.ts";
import { CAUSES, type Repair } from "./troubleshooting.ts";

const LABELS: Record<Repair, string> = {
  disconnect: "Disconnect",
  connect: "Connect",
  edit: "Edit settings",
  "edit-password": "Edit the password",
  "edit-cluster": "Edit the cluster ID",
  cluster: "Open the cluster",
  users: "Open the cluster's users",
  backups: "Open the backups",
  chaos: "Open the faults",
  runbook: "Open the runbook",
};

/** Where a repair is made, when that is another page. */
function pageOf(repair: Repair, store: KeyStore): string | null {
  const id = store.CustomKeyStoreId ?? "";
  const cluster = store.CloudHsmClusterId ?? "";
  switch (repair) {
    case "connect":
    case "disconnect":
    case "edit":
    case "edit-password":
    case "edit-cluster":
      return null;
    case "cluster":
      return href(`cloudhsm/clusters/${cluster}`);
    case "users":
      return href(`cloudhsm/clusters/${cluster}`, { tab: "users" });
    case "backups":
      return href("cloudhsm/backups", { cluster });
    case "chaos":
      return href("simulator/chaos");
    case "runbook":
      return href(`simulator/runbooks/${id}`);
  }
}

export function RepairButton(props: { repair: Repair; store: KeyStore; onAction: (action: Action, store: KeyStore) => void }) {
  const { repair, store } = props;
  const page = pageOf(repair, store);
  if (page !== null) return <Button onClick={() => navigate(page)}>{LABELS[repair]}</Button>;
  const action: Action = repair === "connect" || repair === "disconnect" ? repair : "edit";
  const reason = whyNot(action, store);
  return (
    <Button disabled={reason !== null} disabledReason={reason ?? ""} onClick={() => props.onAction(action, store)}>
      {LABELS[repair]}
    </Button>
  );
}

export function FailedConnect(props: { store: KeyStore; code: string; onAction: (action: Action, store: KeyStore) => void }) {
  const known = CAUSES[props.code];
  const repair = known ?? CAUSES["INTERNAL_ERROR"];
  return (
    <Alert type="error" header={`The last connect failed: ${props.code}`}>
      <SpaceBetween size="s">
        <div>{known?.cause ?? "KMS gives no more than this code."}</div>
        <ol data-testid="repair-steps">
          {repair?.steps.map((step) => (
            <li key={step.text}>
              <SpaceBetween size="xxs">
                <span>{step.text}</span>
                {step.repair !== undefined && <RepairButton {...props} repair={step.repair} />}
              </SpaceBetween>
            </li>
          ))}
        </ol>
        <div>
          <To path="kms/troubleshooting">Troubleshooting a custom key store</To>
          {" · "}
          <To path={`simulator/runbooks/${props.store.CustomKeyStoreId ?? ""}`}>Repair it by the runbook</To>
        </div>
      </SpaceBetween>
    </Alert>
  );
}
