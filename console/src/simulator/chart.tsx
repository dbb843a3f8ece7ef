/** Throughput and latency over time, with the phases of the key store behind them. */
import type { LoadPhase } from "../admin/api.ts";
import { count } from "../parts/common.tsx";
import { ceiling, drawn, end, inWords, rate } from "./timeline.ts";
import type { LoadRunDetail, Second } from "../admin/api.ts";

const WIDTH = 960;
const LEFT = 64;
const RIGHT = 12;
const TOP = 24;
const HEIGHT = 150;
const GAP = 46;

const PHASES: LoadPhase[] = ["connected", "disconnecting", "disconnected", "editing", "connecting"];

export function Chart({ timeline, seconds: planned }: { timeline: LoadRunDetail["timeline"]; seconds: number }) {
  const run = drawn(timeline);
  const last = run.seconds.at(-1);
  const span = Math.max(planned, last === undefined ? 0 : end(last), 1);
  const x = (at: number) => LEFT + ((WIDTH - LEFT - RIGHT) * at) / span;
  const rates = run.seconds.flatMap((one) => [rate(one.succeeded, one), rate(one.failed, one)]);
  const times = run.seconds.map((one) => (one.latency_us_p99 ?? 0) / 1000);
  const rateMax = ceiling(Math.max(1, ...rates));
  const timeMax = ceiling(Math.max(0.1, ...times));
  const second = TOP + HEIGHT + GAP;
  const line = (top: number, max: number, value: (one: Second) => number | null) => {
    let isBegun = false;
    const parts = run.seconds.map((one) => {
      const found = value(one);
      if (found === null) {
        isBegun = false;
        return "";
      }
      const command = isBegun ? "L" : "M";
      isBegun = true;
      const middle = one.second + one.duration_ms / 2000;
      return `${command}${x(middle).toFixed(1)} ${(top + HEIGHT - (HEIGHT * found) / max).toFixed(1)}`;
    });
    return parts.join("");
  };
  const micros = (value: number | null) => (value === null ? null : value / 1000);
  const step = ceiling(span / 8);
  const ticks = Array.from({ length: Math.floor(span / step) + 1 }, (_, at) => at * step);
  return (
    <figure className="load-chart">
      <svg className="chart" viewBox={`0 0 ${WIDTH} ${second + HEIGHT + 30}`} role="img" aria-label={inWords(run)} data-testid="chart">
        {run.bands.map((band) => (
          <rect
            key={`${band.phase} ${band.from}`}
            className={`band ${band.phase}`}
            x={x(band.from)}
            y={TOP}
            width={Math.max(1, x(band.to) - x(band.from))}
            height={second + HEIGHT - TOP}
          />
        ))}
        <Axis top={TOP} max={rateMax} title="calls a second" />
        <Axis top={second} max={timeMax} title="latency in ms" />
        <path className="line succeeded" d={line(TOP, rateMax, (one) => rate(one.succeeded, one))} />
        <path className="line failed" d={line(TOP, rateMax, (one) => rate(one.failed, one))} />
        <path className="line p50" d={line(second, timeMax, (one) => micros(one.latency_us_p50))} />
        <path className="line p99" d={line(second, timeMax, (one) => micros(one.latency_us_p99))} />
        {ticks.map((at) => (
          <text key={at} className="tick" x={x(at)} y={second + HEIGHT + 20} textAnchor={at === span ? "end" : "middle"}>{at} s</text>
        ))}
      </svg>
      <figcaption className="legend">
        {[["succeeded", "succeeded"], ["failed", "failed"], ["p50", "p50"], ["p99", "p99"]].map(([kind, text]) => (
          <span key={kind}><span className={`swatch line-${kind ?? ""}`} aria-hidden="true" />{text}</span>
        ))}
        {PHASES.map((phase) => (
          <span key={phase}><span className={`swatch ${phase}`} aria-hidden="true" />{phase}</span>
        ))}
      </figcaption>
    </figure>
  );
}

function Axis({ top, max, title }: { top: number; max: number; title: string }) {
  return (
    <g>
      {[0, 0.5, 1].map((part) => {
        const y = top + HEIGHT - HEIGHT * part;
        const value = max * part;
        return (
          <g key={part}>
            <line className="grid" x1={LEFT} x2={WIDTH - RIGHT} y1={y} y2={y} />
            <text className="tick" x={LEFT - 8} y={y + 4} textAnchor="end">{value >= 10 ? count(value) : Number(value.toFixed(2))}</text>
          </g>
        );
      })}
      <text className="tick" x={LEFT} y={top - 6}>{title}</text>
    </g>
  );
}
