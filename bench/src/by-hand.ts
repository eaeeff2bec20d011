import { z } from "zod";
import type { Result, Row } from "./result.ts";
import { summarise } from "./statistics.ts";

/** What a person measured with a clock and wrote into `by-hand.json`; without minutes it is not measured yet. */
export const ByHand = z.array(
  z.object({
    what: z.string(),
    atMostMin: z.number(),
    minutes: z.array(z.number()),
    /** Day of the last value. */
    at: z.string(),
    load: z.string(),
    cause: z.string().default(""),
  }),
);
export type ByHand = z.infer<typeof ByHand>;

/** As a part of the page, the last. */
export function resultOf(byHand: ByHand, machine: string): Result {
  const missing = byHand.filter(({ minutes }) => minutes.length === 0).map(({ what }) => what);
  const how = "Whole commands, timed by hand on the day that each line names and written into `bench/by-hand.json`.";
  return {
    name: "by-hand",
    title: "Whole commands",
    how: missing.length === 0 ? how : `${how} Not measured yet: ${missing.join("; ")}.`,
    at:
      byHand
        .map(({ at }) => at)
        .toSorted()
        .at(-1) ?? "",
    machine,
    place: 1_000,
    rows: byHand.filter(({ minutes }) => minutes.length > 0).map(rowOf),
  };
}

function rowOf({ what, atMostMin, minutes, at, load, cause }: ByHand[number]): Row {
  const goals: Row["goals"] = [{ of: "max", atMost: atMostMin }];
  return { what: `${what} (${at})`, unit: "min", goals, measured: summarise(minutes), load, cause };
}
