import { expect, it } from "vitest";

import { context, fromBase64, toBase64 } from "./bytes.ts";

it("bytes survive the way there and back", () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, at) => at);
  expect(fromBase64(toBase64(bytes))).toEqual(bytes);
  expect(fromBase64("aGVs\n bG8=")).toEqual(new TextEncoder().encode("hello"));
  expect(fromBase64("&")).toBeNull();
});

it("a context is names with values", () => {
  expect(context("")).toEqual({});
  expect(context("a=1\n b = x=y \n")).toEqual({ a: "1", b: "x=y" });
  expect(context("nothing")).toBeNull();
});
