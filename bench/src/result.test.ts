import { expect, it } from "vitest";
import { verdictOf, type Goal } from "./result.ts";

const measured = { count: 20, min: 1, p50: 300, p95: 800, max: 900 };

it.each<[string, readonly Goal[], string]>([
  ["no goal, no verdict", [], ""],
  ["exactly the goal is met", [{ of: "p50", atMost: 300 }], "met"],
  [
    "one of two missed is missed",
    [
      { of: "p50", atMost: 300 },
      { of: "p95", atMost: 799 },
    ],
    "missed",
  ],
  ["the worst counts where the goal says so", [{ of: "max", atMost: 800 }], "missed"],
])("%s", (_case, goals, verdict) => {
  expect(verdictOf({ goals: [...goals], measured })).toBe(verdict);
});
