import { expect, it } from "vitest";

import { match, pathOf } from "./router.ts";

it("a path is what is below the console's root", () => {
  expect(pathOf("/console/")).toBe("");
  expect(pathOf("/console/kms/keys/")).toBe("kms/keys");
});

it("a pattern gives its parts or nothing", () => {
  expect(match("kms/keys", "kms/keys")).toEqual({});
  expect(match("kms/keys/:id", "kms/keys/alias")).toEqual({ id: "alias" });
  expect(match("kms/keys/:id", "kms/keys")).toBeNull();
  expect(match("kms/keys/:id", "kms/keys/")).toBeNull();
  expect(match("kms/keys", "kms/other")).toBeNull();
});
