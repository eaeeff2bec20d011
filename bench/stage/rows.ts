import type { Goal, Row } from "../src/result.ts";
import { summarise } from "../src/statistics.ts";
import { loadNow } from "./machine.ts";

interface Measured {
  readonly unit: Row["unit"];
  readonly samples: readonly number[];
  readonly goals?: readonly Goal[];
  /** Why the goals are missed, if they are. */
  readonly cause?: string;
}

/** A row of what was just measured, with the load of this moment. */
export function rowOf(what: string, { unit, samples, goals = [], cause = "" }: Measured): Row {
  return { what, unit, goals: [...goals], measured: summarise(samples.map(rounded)), load: loadNow(), cause };
}

/** Nobody compares microseconds; the file is read by people too. */
const rounded = (value: number): number => Math.round(value * 1_000) / 1_000;

/** How long something took, in milliseconds. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const beganMs = performance.now();
  await work();
  return performance.now() - beganMs;
}

/** So often, one after the other. */
export async function repeated<T>(times: number, work: (round: number) => Promise<T>): Promise<readonly T[]> {
  const results: T[] = [];
  for (let round = 0; round < times; round++) results.push(await work(round));
  return results;
}
