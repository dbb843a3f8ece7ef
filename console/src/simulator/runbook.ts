/** The repair procedures as checklists that tick themselves: pure functions of what is seen. */
import type { Backup, Cluster } from "@aws-sdk/client-cloudhsm-v2";

import type { EventRecord } from "../admin/api.ts";
import { activeByZone, type KeyStore } from "../aws/keystores.ts";

export interface View {
  store: KeyStore;
  clusters: Cluster[];
  /** Of every cluster, in any state. */
  backups: Backup[];
  records: EventRecord[];
  /** The cluster that the key store had when the repair began. */
  original: string;
  /** Whether a key of the key store has been used by this page since the connect. */
  isTried: boolean;
}

export type Move = "backups" | "create" | "cluster" | "disconnect" | "users" | "edit" | "connect" | "try";

export interface Step {
  id: string;
  text: string;
  detail: string;
  isDone: boolean;
  move: Move | null;
}

/** Backups from which a substitute can be made, the newest first. */
export function usableBackups({ backups, original }: View): Backup[] {
  const at = (backup: Backup) => backup.CreateTimestamp?.getTime() ?? 0;
  const usable = backups.filter((one) => one.ClusterId === original && one.BackupState === "READY");
  return usable.sort((one, other) => at(other) - at(one));
}

/** The cluster that takes the original's place: made from one of its backups. */
export function substitute(view: View): Cluster | undefined {
  const { clusters, store, original, backups } = view;
  if (store.CloudHsmClusterId !== original) {
    return clusters.find((one) => one.ClusterId === store.CloudHsmClusterId);
  }
  const own = new Set(backups.filter((one) => one.ClusterId === original).map((one) => one.BackupId));
  const made = clusters.filter((one) => one.ClusterId !== original && one.SourceBackupId !== undefined && own.has(one.SourceBackupId));
  const zones = (cluster: Cluster) => activeByZone(cluster).filter(([, active]) => active > 0).length;
  return made.sort((one, other) => zones(other) - zones(one))[0];
}

export function substitution(view: View): Step[] {
  const { store, clusters, original, isTried } = view;
  const made = substitute(view);
  const isSubstituted = store.CloudHsmClusterId !== original;
  const isConnected = isSubstituted && store.ConnectionState === "CONNECTED";
  const zones = activeByZone(made).filter(([, active]) => active > 0).length;
  const before = clusters.find((one) => one.ClusterId === original)?.Certificates?.ClusterCertificate;
  const after = made?.Certificates?.ClusterCertificate;
  const isSame = after !== undefined && (before === undefined || before === after);
  return settle([
    {
      id: "backup",
      text: "Find a backup of the cluster",
      detail: `READY, and with the keys and users that are needed: choose by its date. Of ${original}: ${usableBackups(view).length}.`,
      isDone: usableBackups(view).length > 0,
      move: "backups",
    },
    {
      id: "create",
      text: "Create a cluster from the backup",
      detail: made === undefined ? "In subnets of two Availability Zones. Do not initialize or activate it." : `${made.ClusterId ?? ""} was made.`,
      isDone: made !== undefined,
      move: "create",
    },
    {
      id: "hsms",
      text: "Create two HSMs in different Availability Zones",
      detail: `Active in ${zones} zones; the cluster is ${made?.State ?? "not there"}.`,
      isDone: zones >= 2 && made?.State === "ACTIVE",
      move: "cluster",
    },
    {
      id: "certificate",
      text: "Check the certificate",
      detail: before === undefined && after !== undefined ? "The old cluster is gone; its backup has given the certificate." : "Both clusters show the same ClusterCertificate.",
      isDone: isSame,
      move: "cluster",
    },
    {
      id: "disconnect",
      text: "Disconnect the key store",
      detail: `It is ${store.ConnectionState ?? "in no state"}. A FAILED one must be disconnected too.`,
      isDone: store.ConnectionState === "DISCONNECTED",
      move: "disconnect",
    },
    {
      id: "update",
      text: "Edit the cluster ID",
      detail: `Of the key store: ${store.CloudHsmClusterId ?? ""}. Should the backup have another password of kmsuser, reset it in the new cluster and tell KMS.`,
      isDone: isSubstituted,
      move: "edit",
    },
    {
      id: "connect",
      text: "Connect the key store",
      detail: store.ConnectionErrorCode === undefined ? "Until it is CONNECTED; on AWS up to twenty minutes." : `It failed with ${store.ConnectionErrorCode}: see the key store.`,
      isDone: isConnected,
      move: "connect",
    },
    {
      id: "try",
      text: "Try a key",
      detail: "Encrypt and decrypt with a key of the key store. Keys newer than the backup need another backup, or are lost.",
      isDone: isConnected && isTried,
      move: "try",
    },
  ]);
}

/** Steps that may show as done before those above them are. */
const ALONE = ["backup", "certificate", "disconnect"];

/** What was done before something later was done counts as done, though it shows no more. */
function settle(steps: Step[]): Step[] {
  const last = steps.findLastIndex((step) => step.isDone && !ALONE.includes(step.id));
  return steps.map((step, at) => ({ ...step, isDone: step.isDone || at < last }));
}

/** Resetting the password of kmsuser; the calls of this key store since it last failed tell how far it is. */
export function credentials(view: View): Step[] {
  const { store, records, isTried } = view;
  const own = records.filter((one) => {
    const { requestParameters } = one as { requestParameters?: Record<string, unknown> | null };
    return requestParameters?.["customKeyStoreId"] === store.CustomKeyStoreId && one.errorCode === undefined;
  });
  const disconnected = own.findLastIndex((one) => one.eventName === "DisconnectCustomKeyStore");
  const edited = own.findLastIndex((one) => one.eventName === "UpdateCustomKeyStore");
  const state = store.ConnectionState;
  const isEdited = edited > disconnected && disconnected >= 0;
  const isDown = state === "DISCONNECTED" || (disconnected >= 0 && state !== "FAILED");
  const isConnected = state === "CONNECTED" && isEdited;
  return [
    {
      id: "disconnect",
      text: "Disconnect the key store",
      detail: `It is ${state ?? "in no state"}. Read the error code before: it is shown only while FAILED.`,
      isDone: isDown,
      move: "disconnect",
    },
    {
      id: "password",
      text: "Find out or reset the password of kmsuser in the cluster",
      detail: "An admin changes it; that also unlocks a user who is locked out.",
      isDone: isEdited,
      move: "users",
    },
    { id: "edit", text: "Tell KMS the password", detail: "Edit the key store: it takes effect at the next connect.", isDone: isEdited, move: "edit" },
    {
      id: "connect",
      text: "Connect the key store",
      detail: store.ConnectionErrorCode === undefined ? "KMS logs in and rotates the password." : `It failed with ${store.ConnectionErrorCode}.`,
      isDone: isConnected,
      move: "connect",
    },
    { id: "try", text: "Try a key", detail: "Encrypt and decrypt with a key of the key store.", isDone: isConnected && isTried, move: "try" },
  ];
}
