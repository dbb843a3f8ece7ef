/** A load run's timeline as the chart draws it. */
import type { LoadPhase, LoadRunDetail, Second, Span } from "../admin/api.ts";

export interface Band {
  phase: LoadPhase;
  from: number;
  to: number;
}

export interface Drawn {
  seconds: Second[];
  bands: Band[];
}

/** A last second shorter than this holds too few calls for a rate. */
const CUT_SHORT_MS = 250;

export function drawn(timeline: LoadRunDetail["timeline"]): Drawn {
  const whole = (line: LoadRunDetail["timeline"][number]): line is Second => line?.type === "second" && line.duration_ms >= CUT_SHORT_MS;
  const seconds = timeline.filter(whole);
  const spans = timeline.filter((line): line is Span => line?.type === "phase");
  const bands = spans.map((span) => ({ phase: span.phase, from: span.start_us / 1e6, to: span.end_us / 1e6 }));
  const last = seconds.at(-1);
  const ended = bands.at(-1)?.to ?? 0;
  // The present phase has no span yet; each second names the phase at its end.
  if (last !== undefined && end(last) > ended) bands.push({ phase: last.phase, from: ended, to: end(last) });
  return { seconds, bands: bands.filter((band) => band.to > band.from) };
}

export function end(second: Second): number {
  return second.second + second.duration_ms / 1000;
}

/** Calls a second, also of a last second that was cut short. */
export function rate(calls: number, second: Second): number {
  return second.duration_ms === 0 ? 0 : (calls * 1000) / second.duration_ms;
}

/** A round number that is not below `value`. */
export function ceiling(value: number): number {
  if (value <= 0) return 1;
  const magnitude = 10 ** Math.floor(Math.log10(value));
  const step = [1, 2, 2.5, 5, 10].find((one) => one * magnitude >= value) ?? 10;
  return step * magnitude;
}

/** A run in a sentence, for those who do not see the chart. */
export function inWords({ seconds, bands }: Drawn): string {
  const succeeded = seconds.reduce((sum, one) => sum + one.succeeded, 0);
  const failed = seconds.reduce((sum, one) => sum + one.failed, 0);
  const phases = new Set(bands.map((band) => band.phase));
  return `${seconds.length} seconds, ${succeeded} calls succeeded, ${failed} failed; phases: ${[...phases].join(", ") || "none"}`;
}
