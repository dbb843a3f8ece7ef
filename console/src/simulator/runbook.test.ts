import { describe, expect, it } from "vitest";

import type { KeyStore } from "../aws/keystores.ts";
import { credentials, substitute, substitution, usableBackups, type View } from "./runbook.ts";

const backup = (BackupId: string, day: number) => ({
  BackupId, ClusterId: "cluster-old", BackupState: "READY" as const, CreateTimestamp: new Date(2026, 0, day),
});
const cluster = (ClusterId: string, source: string | undefined, zones: string[]) => ({
  ClusterId,
  State: zones.length > 0 ? ("ACTIVE" as const) : ("INITIALIZED" as const),
  SourceBackupId: source,
  Certificates: { ClusterCertificate: "same" },
  SubnetMapping: { a: "subnet-a", b: "subnet-b" },
  Hsms: zones.map((AvailabilityZone) => ({ HsmId: AvailabilityZone, AvailabilityZone, State: "ACTIVE" as const })),
});
const view = (change: Partial<View> = {}, store: Partial<KeyStore> = {}): View => ({
  store: { CustomKeyStoreId: "cks", CloudHsmClusterId: "cluster-old", ConnectionState: "CONNECTED", ...store },
  clusters: [],
  backups: [],
  records: [],
  original: "cluster-old",
  isTried: false,
  ...change,
});
const done = (steps: { id: string; isDone: boolean }[]) => steps.filter((step) => step.isDone).map((step) => step.id);

describe("the substitution", () => {
  const backups = [backup("backup-one", 1), backup("backup-two", 2)];
  it("ticks itself as the state changes", () => {
    expect(done(substitution(view()))).toEqual([]);
    expect(usableBackups(view({ backups }))[0]?.BackupId).toBe("backup-two");
    expect(done(substitution(view({ backups })))).toEqual(["backup"]);
    const empty = [cluster("cluster-new", "backup-two", [])];
    expect(done(substitution(view({ backups, clusters: empty })))).toEqual(["backup", "create", "certificate"]);
    const clusters = [cluster("cluster-new", "backup-two", ["a", "b"])];
    const ready = view({ backups, clusters }, { ConnectionState: "DISCONNECTED" });
    expect(done(substitution(ready))).toEqual(["backup", "create", "hsms", "certificate", "disconnect"]);
    const connected = view({ backups, clusters }, { CloudHsmClusterId: "cluster-new", ConnectionState: "CONNECTED" });
    expect(substitution(connected).at(-1)?.isDone).toBe(false);
    expect(done(substitution({ ...connected, isTried: true }))).toHaveLength(8);
  });
  it("takes the cluster that is furthest", () => {
    const clusters = [cluster("cluster-one", "backup-one", ["a"]), cluster("cluster-two", "backup-two", ["a", "b"])];
    expect(substitute(view({ backups, clusters }))?.ClusterId).toBe("cluster-two");
    expect(substitute(view({ backups, clusters: [cluster("cluster-old", undefined, ["a", "b"])] }))).toBeUndefined();
  });
});

it("the credentials tick by the calls of the key store", () => {
  const record = (eventName: string) => ({
    eventID: eventName, eventName, eventTime: "2026-01-01T00:00:00Z", eventSource: "kms.amazonaws.com",
    requestParameters: { customKeyStoreId: "cks" },
  });
  expect(done(credentials(view({}, { ConnectionState: "FAILED" })))).toEqual([]);
  expect(done(credentials(view({}, { ConnectionState: "DISCONNECTED" })))).toEqual(["disconnect"]);
  const records = [record("DisconnectCustomKeyStore"), record("UpdateCustomKeyStore")];
  expect(done(credentials(view({ records }, { ConnectionState: "DISCONNECTED" })))).toEqual(["disconnect", "password", "edit"]);
  expect(done(credentials(view({ records, isTried: true }, { ConnectionState: "CONNECTED" })))).toHaveLength(5);
});
