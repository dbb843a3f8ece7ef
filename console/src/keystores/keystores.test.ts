import { describe, expect, it } from "vitest";

import { activeByZone, related, whyNoKeyStore, whyNotSubstitute, type KeyStore } from "../aws/keystores.ts";
import { explain } from "../aws/errors.ts";
import { ACTIONS, whyNot } from "./actions.ts";
import { lastChange } from "./changes.ts";
import { changes, passwordProblem, told } from "./settings.ts";
import { CAUSES, FIXES } from "./troubleshooting.ts";

const store = (ConnectionState: KeyStore["ConnectionState"]): KeyStore => ({
  CustomKeyStoreId: "cks-1234567890abcdef0",
  CustomKeyStoreName: "ExampleKeyStore",
  CloudHsmClusterId: "cluster-1a23b4cdefg",
  ConnectionState,
});

describe("the menu of a key store", () => {
  it("permits in each state what the service permits", () => {
    const permitted = (state: KeyStore["ConnectionState"]) =>
      ACTIONS.filter(({ id }) => whyNot(id, store(state), 0) === null).map(({ id }) => id);
    expect(permitted("CONNECTED")).toEqual(["disconnect"]);
    expect(permitted("CONNECTING")).toEqual(["disconnect"]);
    expect(permitted("FAILED")).toEqual(["disconnect"]);
    expect(permitted("DISCONNECTING")).toEqual([]);
    expect(permitted("DISCONNECTED")).toEqual(["connect", "edit", "delete"]);
  });
  it("says why something is not permitted", () => {
    expect(whyNot("edit", store("CONNECTED"))).toBe("It is CONNECTED. Disconnect it before you edit it.");
    expect(whyNot("delete", store("DISCONNECTED"), 3)).toContain("3 keys");
    expect(whyNot("connect", undefined)).toContain("Choose");
  });
});

describe("a cluster for a new key store", () => {
  const one = (ClusterId: string, ClusterCertificate: string) => ({
    ClusterId,
    State: "ACTIVE" as const,
    Certificates: { ClusterCertificate },
    Hsms: ["a", "b"].map((AvailabilityZone) => ({ HsmId: AvailabilityZone, AvailabilityZone, State: "ACTIVE" as const })),
  });
  const [used, sibling, other] = [one("cluster-1a23b4cdefg", "same"), one("cluster-sibling", "same"), one("cluster-other", "other")];
  const why = (cluster: typeof used) => whyNoKeyStore(cluster, [used, sibling, other], [store("CONNECTED")]);
  it("backs none and has no relative that does", () => {
    expect(why(used)).toBe("It backs ExampleKeyStore.");
    expect(why(sibling)).toContain("shares a backup history");
    expect(why(other)).toBeNull();
    expect(why({ ...other, Hsms: [] })).toContain("two active HSMs");
  });
});

describe("an edit", () => {
  it("sends only what was changed, and tells it without the password", () => {
    const edit = { name: "DevelopmentKeys", cluster: "cluster-1a23b4cdefg", password: "canary77" };
    const changed = changes(edit, store("DISCONNECTED"));
    expect(changed).toEqual({ NewCustomKeyStoreName: "DevelopmentKeys", KeyStorePassword: "canary77" });
    expect(told(changed)).toHaveLength(2);
    expect(told(changed).join()).not.toContain("canary");
  });
  it("knows how long a password is", () => {
    expect(passwordProblem("")).toBeNull();
    expect(passwordProblem("short")).not.toBeNull();
    expect(passwordProblem("kmsPswd")).toBeNull();
    expect(passwordProblem("x".repeat(33))).not.toBeNull();
  });
});

describe("clusters", () => {
  const cluster = (ClusterId: string, ClusterCertificate: string, zones: string[]) => ({
    ClusterId,
    State: "ACTIVE" as const,
    Certificates: { ClusterCertificate },
    SubnetMapping: { "us-east-1a": "subnet-a", "us-east-1b": "subnet-b" },
    Hsms: zones.map((AvailabilityZone) => ({ HsmId: "hsm", AvailabilityZone, State: "ACTIVE" as const })),
  });
  it("are counted by zone, empty zones too", () => {
    expect(activeByZone(cluster("one", "c", ["us-east-1b"]))).toEqual([["us-east-1a", 0], ["us-east-1b", 1]]);
  });
  it("are related when they share the certificate", () => {
    const all = [cluster("one", "c", []), cluster("two", "c", []), cluster("three", "d", [])];
    expect(related(all, all[0]).map((one) => one.ClusterId)).toEqual(["one", "two"]);
    expect(related(all, undefined)).toEqual([]);
  });
  it("are substitutes with two zones", () => {
    expect(whyNotSubstitute(cluster("one", "c", ["us-east-1a", "us-east-1a"]))).toContain("different");
    expect(whyNotSubstitute(cluster("one", "c", ["us-east-1a", "us-east-1b"]))).toBeNull();
  });
});

describe("troubleshooting", () => {
  it("has every code of a CloudHSM key store, ending in a connect", () => {
    expect(Object.keys(CAUSES)).toHaveLength(10);
    for (const [code, { steps }] of Object.entries(CAUSES)) {
      expect(steps.at(-1)?.repair, code).toBe("connect");
      expect(steps.some((step) => step.repair === "disconnect"), code).toBe(true);
    }
  });
  it("explains an exception with its own text and a fix", () => {
    const error = Object.assign(new Error("why"), { name: "CloudHsmClusterNotRelatedException" });
    expect(explain(error)).toEqual({ name: error.name, message: "why", fix: FIXES[error.name] });
    expect(explain(new TypeError("Failed to fetch")).message).toContain("does not answer");
  });
});

it("the last change of a key store is its last call that succeeded", () => {
  const record = (eventName: string, eventTime: string, id: string) => ({
    eventID: eventTime, eventName, eventTime, eventSource: "kms.amazonaws.com",
    requestParameters: { customKeyStoreId: id },
  });
  const own = store("CONNECTED");
  const records = [
    record("ConnectCustomKeyStore", "2026-01-01T00:00:00Z", "cks-1234567890abcdef0"),
    record("DescribeCustomKeyStores", "2026-01-02T00:00:00Z", "cks-1234567890abcdef0"),
    record("ConnectCustomKeyStore", "2026-01-03T00:00:00Z", "cks-other"),
  ];
  expect(lastChange(records, own)).toBe("2026-01-01T00:00:00Z");
  expect(lastChange([], own)).toBeUndefined();
});
