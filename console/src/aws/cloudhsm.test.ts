import { describe, expect, it } from "vitest";

import { DescribeBackupsCommand } from "@aws-sdk/client-cloudhsm-v2";

import { addDropped, cloudhsmClient, proposal, type Backup } from "./cloudhsm.ts";

const backup: Backup = { BackupId: "backup-one", HsmType: "hsm1.medium", Mode: "FIPS" };

it("a reply has the members that the client drops", async () => {
  const client = cloudhsmClient({
    region: "eu-west-1",
    endpoint: "http://127.0.0.1:1",
    credentials: { accessKeyId: "111122223333", secretAccessKey: "test" },
    requestHandler: {
      handle: () => {
        const body = new Blob([JSON.stringify({ Backups: [backup, { BackupId: "backup-two" }] })]);
        return Promise.resolve({ response: { statusCode: 200, headers: {}, body } });
      },
    },
  });
  const reply = await client.send(new DescribeBackupsCommand({}));
  expect(reply.Backups).toEqual([backup, { BackupId: "backup-two" }]);
});

it("what the client has read is left alone", () => {
  const output = { Mode: "read", at: new Date(0), Backups: [{}] };
  addDropped(output, { Mode: "raw", HsmType: 7, at: 0, Backups: [{ Mode: "FIPS", Other: "x" }] });
  expect(output).toEqual({ Mode: "read", at: new Date(0), Backups: [{ Mode: "FIPS" }] });
  expect(() => addDropped(output, null)).not.toThrow();
});

describe("a cluster from a backup", () => {
  it("is proposed like the backup, then like its cluster", () => {
    expect(proposal(backup, { HsmType: "hsm2m.medium", Mode: "NON_FIPS" })).toEqual({ type: "hsm1.medium", mode: "FIPS" });
    expect(proposal({ BackupId: "backup-two" }, { HsmType: "hsm1.medium" })).toEqual({ type: "hsm1.medium", mode: "FIPS" });
    expect(proposal(undefined, undefined)).toEqual({ type: "hsm2m.medium", mode: "FIPS" });
  });
});
