import { z } from "zod";
import type { Summary } from "./statistics.ts";

/** What a number of the summary may be at most. */
const Goal = z.object({ of: z.enum(["p50", "p95", "max"]), atMost: z.number() });
export type Goal = z.infer<typeof Goal>;

const Summarised = z.object({
  count: z.int().min(1),
  min: z.number(),
  p50: z.number(),
  p95: z.number(),
  max: z.number(),
});

/** One line of the table: something measured often, and what was hoped of it. Without goals it is there for comparison. */
export const Row = z.object({
  what: z.string(),
  unit: z.enum(["ms", "s", "min", "MB", "% of a core", "writes", "times", "%"]),
  goals: z.array(Goal).default([]),
  measured: Summarised,
  /** Load averages of 1, 5 and 15 minutes at its end. */
  load: z.string(),
  /** Why a goal is missed, where it is. */
  cause: z.string().default(""),
});
export type Row = z.infer<typeof Row>;

/** One run of one measurement, as it is kept beside the page. */
export const Result = z.object({
  name: z.string(),
  title: z.string(),
  /** How it was measured, in whole sentences. */
  how: z.string(),
  /** RFC 3339. */
  at: z.string(),
  machine: z.string(),
  /** Order on the page. */
  place: z.int(),
  rows: z.array(Row),
});
export type Result = z.infer<typeof Result>;

export type Verdict = "met" | "missed" | "";

/** Empty where there was no goal. */
export function verdictOf({ goals, measured }: Pick<Row, "goals"> & { readonly measured: Summary }): Verdict {
  if (goals.length === 0) return "";
  return goals.every((goal) => measured[goal.of] <= goal.atMost) ? "met" : "missed";
}
