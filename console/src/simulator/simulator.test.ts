import { describe, expect, it } from "vitest";

import type { FaultDescription, Second, Span } from "../admin/api.ts";
import { orderOf, type Form } from "./faults.ts";
import { ceiling, drawn, inWords, rate } from "./timeline.ts";

const second = (at: number, phase: Second["phase"]): Second => ({
  type: "second", second: at, duration_ms: 1000, phase, arrived: 100, shed: 0, late: 0, succeeded: 90, failed: 10,
  latency_us_p50: 500, latency_us_p99: 900, latency_us_max: 1000, operations: {}, errors: {},
});
const span = (phase: Span["phase"], start_us: number, end_us: number): Span => ({
  type: "phase", cycle: 1, phase, edit: "name", start_us, end_us,
});

describe("a timeline", () => {
  it("has a band for each phase, the present one too", () => {
    const { seconds, bands } = drawn([second(0, "connected"), span("connected", 0, 1_500_000), second(1, "disconnecting"), null]);
    expect(seconds).toHaveLength(2);
    expect(drawn([{ ...second(2, "connected"), duration_ms: 3 }]).seconds).toEqual([]);
    expect(bands).toEqual([
      { phase: "connected", from: 0, to: 1.5 },
      { phase: "disconnecting", from: 1.5, to: 2 },
    ]);
  });
  it("is told in words", () => {
    expect(inWords(drawn([second(0, "connected")]))).toBe("1 seconds, 90 calls succeeded, 10 failed; phases: connected");
    expect(inWords(drawn([]))).toContain("none");
  });
  it("gives rates of seconds that were cut short", () => {
    expect(rate(50, { ...second(0, "connected"), duration_ms: 500 })).toBe(100);
    expect(rate(50, { ...second(0, "connected"), duration_ms: 0 })).toBe(0);
  });
});

it("an axis ends at a round number", () => {
  expect([0, 0.3, 7, 11, 240, 1000].map(ceiling)).toEqual([1, 0.5, 10, 20, 250, 1000]);
});

it("a fault is ordered with what it takes and nothing else", () => {
  const form: Form = { kind: "crash", cluster: "c", zone: "z", hsm: "h", direction: "to-hsm", delayMs: "5", percent: "7", seconds: "2" };
  const about = (fields: Partial<FaultDescription>): FaultDescription => ({
    kind: "crash", group: "HSMs", place: "hsms", required: [], optional: ["duration_ms"], effect: "", undo: "", ...fields,
  });
  expect(orderOf(form, about({}))).toEqual({ kind: "crash", cluster: "c", zone: "z", hsm: "h", duration_ms: 2000 });
  expect(orderOf({ ...form, seconds: "" }, about({ place: "cluster" }))).toEqual({ kind: "crash", cluster: "c" });
  const fields = about({ required: ["percent", "delay_ms"], optional: ["direction"] });
  expect(orderOf(form, fields)).toMatchObject({ percent: 7, delay_ms: 5, direction: "to-hsm" });
  expect(orderOf(form, fields)).not.toHaveProperty("duration_ms");
});
