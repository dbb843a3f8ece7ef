import { expect, it } from "vitest";

import { KeySpec } from "@aws-sdk/client-kms";

import { policyProblems, tidy } from "./policy.ts";
import { usagesOf } from "./specs.ts";

const statement = { Effect: "Allow", Principal: { AWS: "*" }, Action: "kms:*", Resource: "*" };
const problems = (policy: unknown) => policyProblems(JSON.stringify(policy));

it("a policy is checked before it is sent", () => {
  expect(problems({ Version: "2012-10-17", Statement: [statement] })).toEqual([]);
  expect(problems({ Statement: statement })).toEqual([]);
  expect(policyProblems("{")[0]).toContain("no JSON");
  expect(problems([])).toEqual(["A policy is a JSON object."]);
  expect(problems({ Version: "2020-01-01", Statement: [statement] })).toHaveLength(1);
  expect(problems({ Statement: [] })).toEqual(["Statement is missing or empty."]);
  expect(problems({ Statement: [{ ...statement, Effect: "allow" }] })).toEqual(["Statement 1: Effect is Allow or Deny."]);
  expect(problems({ Statement: [statement, { Effect: "Deny" }] })).toHaveLength(3);
  expect(problems({ Statement: [{ ...statement, NotAction: "kms:Decrypt" }] })[0]).toContain("exclude");
  expect(problems({ Id: "x".repeat(33_000), Statement: [statement] })[0]).toContain("32 KiB");
});

it("what is no JSON is left alone", () => {
  expect(tidy('{"a":1}')).toBe('{\n  "a": 1\n}');
  expect(tidy("{")).toBe("{");
});

it("every key spec is for something", () => {
  for (const spec of Object.values(KeySpec)) expect(usagesOf(spec), spec).not.toEqual([]);
  expect(usagesOf("ECC_NIST_P256")).toEqual(["SIGN_VERIFY", "KEY_AGREEMENT"]);
  expect(usagesOf("HMAC_256")).toEqual(["GENERATE_VERIFY_MAC"]);
});
