/** The most starts that any window of this length holds; `timesMs` in any order. */
export function mostWithin(timesMs: readonly number[], periodMs: number): number {
  const sorted = timesMs.toSorted((a, b) => a - b);
  return Math.max(
    0,
    ...sorted.map((startMs) => sorted.filter((at) => at >= startMs && at < startMs + periodMs).length),
  );
}
