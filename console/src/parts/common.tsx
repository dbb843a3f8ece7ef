import { useId, useState, type ReactNode } from "react";

import Alert from "@cloudscape-design/components/alert";
import Badge from "@cloudscape-design/components/badge";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import CopyToClipboard from "@cloudscape-design/components/copy-to-clipboard";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import Link from "@cloudscape-design/components/link";
import Modal from "@cloudscape-design/components/modal";
import SpaceBetween from "@cloudscape-design/components/space-between";
import StatusIndicator, { type StatusIndicatorProps } from "@cloudscape-design/components/status-indicator";

import { explain } from "../aws/errors.ts";
import { follow, href } from "../router.ts";
import { FailureText } from "./failure.tsx";

/** A link within the console. */
export function To({ path, children, query, label }: { path: string; children: ReactNode; query?: Record<string, string>; label?: string }) {
  return (
    <Link href={href(path, query)} onFollow={follow} {...(label === undefined ? {} : { ariaLabel: label })}>
      {children}
    </Link>
  );
}

/** A text with a button that copies it; with `as`, only the button, which says so. */
export function Copied({ text, as }: { text: string; as?: string }) {
  return (
    <CopyToClipboard
      variant={as === undefined ? "inline" : "button"}
      textToCopy={text}
      copyButtonText={as ?? ""}
      copyButtonAriaLabel={as ?? `Copy ${text}`}
      copySuccessText="Copied"
      copyErrorText="Could not be copied"
    />
  );
}

/** Says that a page shows what AWS has not. */
export function SimulatorOnly() {
  return <Badge color="blue">Simulator only</Badge>;
}

export function Nothing({ title, text, action }: { title: string; text: string; action?: ReactNode }) {
  return (
    <Box textAlign="center" color="inherit" padding="l">
      <SpaceBetween size="xs">
        <b>{title}</b>
        <Box color="text-body-secondary">{text}</Box>
        {action}
      </SpaceBetween>
    </Box>
  );
}

const INDICATORS: Record<string, StatusIndicatorProps.Type> = {
  CONNECTED: "success", ACTIVE: "success", Enabled: "success", READY: "success", full: "success",
  CONNECTING: "in-progress", DISCONNECTING: "in-progress", CREATE_IN_PROGRESS: "in-progress",
  INITIALIZE_IN_PROGRESS: "in-progress", DELETE_IN_PROGRESS: "in-progress", UPDATE_IN_PROGRESS: "in-progress",
  MODIFY_IN_PROGRESS: "in-progress", ROLLBACK_IN_PROGRESS: "in-progress", running: "in-progress",
  DISCONNECTED: "stopped", Disabled: "stopped", UNINITIALIZED: "pending", INITIALIZED: "pending",
  PendingDeletion: "warning", PENDING_DELETION: "warning", PendingImport: "pending", Unavailable: "warning",
  DEGRADED: "error", FAILED: "error", DELETED: "stopped", ended: "stopped",
};

export function State({ state }: { state: string | undefined }) {
  if (state === undefined) return <>-</>;
  return <StatusIndicator type={INDICATORS[state] ?? "info"} wrapText={false}>{state}</StatusIndicator>;
}

export function when(date: Date | number | string | undefined | null): string {
  if (date === undefined || date === null) return "-";
  return new Date(date).toISOString().replace("T", " ").replace(/\.\d+Z$/, " UTC");
}

/** A date in a table, whose two halves are never torn apart. */
export function When({ at }: { at: Date | number | string | undefined | null }) {
  const [date, ...time] = when(at).split(" ");
  return (
    <>
      <span className="whole">{date}</span> <span className="whole">{time.join(" ")}</span>
    </>
  );
}

/** Asks before something is done that is hard to undo; with `word`, it must be typed. */
export function Confirm(props: {
  title: string;
  children: ReactNode;
  action: string;
  word?: string;
  onConfirm: () => Promise<void>;
  onClose: () => void;
}) {
  const form = useId();
  const [typed, setTyped] = useState("");
  const [isBusy, setIsBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const isReady = props.word === undefined || typed === props.word;
  const confirm = () => {
    if (!isReady || isBusy) return;
    setIsBusy(true);
    setError(null);
    props.onConfirm().then(props.onClose, (failure: unknown) => {
      setError(failure);
      setIsBusy(false);
    });
  };
  return (
    <Modal
      visible
      header={props.title}
      onDismiss={props.onClose}
      closeAriaLabel="Close"
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            <Button variant="link" onClick={props.onClose}>Cancel</Button>
            <Button variant="primary" form={form} disabled={!isReady} disabledReason={`Type ${props.word ?? ""} first.`} loading={isBusy}>{props.action}</Button>
          </SpaceBetween>
        </Box>
      }
    >
      <form id={form} onSubmit={(event) => { event.preventDefault(); confirm(); }}>
        <SpaceBetween size="m">
          <div>{props.children}</div>
          {props.word !== undefined && (
            <FormField label={`To confirm, type ${props.word}`}>
              <Input value={typed} onChange={({ detail }) => setTyped(detail.value)} autoFocus autoComplete={false} />
            </FormField>
          )}
          {error !== null && <Alert type="error"><FailureText {...explain(error)} /></Alert>}
        </SpaceBetween>
      </form>
    </Modal>
  );
}

/** A number with its thousands apart. */
export const count = (value: number) => Math.round(value).toLocaleString("en-US");
export const millis = (micros: number | null | undefined) =>
  micros === null || micros === undefined ? "-" : `${(micros / 1000).toFixed(micros < 10_000 ? 2 : 1)} ms`;
