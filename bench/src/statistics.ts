/** What is said of many samples of one thing, in their unit. */
export interface Summary {
  readonly count: number;
  readonly min: number;
  readonly p50: number;
  readonly p95: number;
  readonly max: number;
}

/** @throws when there is no sample: a number out of nothing would look like a measured one. */
export function summarise(samples: readonly number[]): Summary {
  if (samples.length === 0) throw new Error("no sample to summarise");
  const sorted = samples.toSorted((a, b) => a - b);
  return {
    count: sorted.length,
    min: nearestRank(sorted, 0),
    p50: nearestRank(sorted, 0.5),
    p95: nearestRank(sorted, 0.95),
    max: nearestRank(sorted, 1),
  };
}

/** By nearest rank: always a value that was measured, and with 20 samples p95 is the second worst. */
function nearestRank(sorted: readonly number[], share: number): number {
  const rank = Math.max(1, Math.ceil(share * sorted.length));
  return sorted[rank - 1] ?? Number.NaN;
}
