import type { Served } from "./fault-proxy.ts";
import { labelOf } from "./faults.ts";

/** How many requests there were of each kind, and faults of each sort. */
export function countsBy(served: readonly Served[]): {
  readonly requests: Readonly<Record<string, number>>;
  readonly faults: Readonly<Record<string, number>>;
} {
  return {
    requests: counted(served.map(({ kind }) => kind)),
    faults: counted(served.flatMap(({ fault }) => (fault === undefined ? [] : [labelOf(fault)]))),
  };
}

function counted(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

/** Timers may fire a little early by another clock. */
const toleranceMs = 25;

/** Requests to a path before the time that a 429 on it asked for; each path has one client here. */
export function tooSoon(served: readonly Served[]): readonly string[] {
  return [...byPath(served)].flatMap(([path, all]) =>
    all.flatMap(({ fault, atMs }, index) => {
      const waitedMs = (all[index + 1]?.atMs ?? Number.POSITIVE_INFINITY) - atMs;
      const askedMs = fault?.kind === "Status" ? (fault.retryAfterS ?? 0) * 1_000 : 0;
      return waitedMs + toleranceMs < askedMs ? [`${path} after ${waitedMs} ms of ${askedMs}`] : [];
    }),
  );
}

/** Most requests to one path within any second. */
export function busiestSecond(served: readonly Served[]): number {
  return Math.max(
    0,
    ...[...byPath(served).values()].map((all) =>
      Math.max(
        ...all.map(({ atMs }, index) => all.slice(0, index + 1).filter((one) => one.atMs > atMs - 1_000).length),
      ),
    ),
  );
}

function byPath(served: readonly Served[]): ReadonlyMap<string, readonly Served[]> {
  return Map.groupBy(served, ({ path }) => path);
}
