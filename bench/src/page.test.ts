import { expect, it } from "vitest";
import { renderPage, renderTable } from "./page.ts";
import type { Result, Row } from "./result.ts";

const aRow = (over: Partial<Row> = {}): Row => ({
  what: "a commit",
  unit: "ms",
  goals: [{ of: "p95", atMost: 6 }],
  measured: { count: 20, min: 1, p50: 3.456, p95: 5.5, max: 123.4 },
  load: "0.1 0.2 0.3",
  cause: "",
  ...over,
});
const aResult = (over: Partial<Result> = {}): Result => ({
  name: "store",
  title: "The store",
  how: "By commits.",
  at: "2026-01-02T03:04:05Z",
  machine: "2 cores",
  place: 1,
  rows: [aRow()],
  ...over,
});
const lines = (table: string): string[] => table.trimEnd().split("\n").slice(2);

it.each<[string, Partial<Row>, string]>([
  ["a goal that is met", {}, "| a commit | p95 ≤ 6 ms | 3.46 ms | 5.50 ms | 123 ms | 20 | 0.1 0.2 0.3 | met |"],
  [
    "a baseline has no goal and no verdict",
    { goals: [] },
    "| a commit |  | 3.46 ms | 5.50 ms | 123 ms | 20 | 0.1 0.2 0.3 |  |",
  ],
  [
    "a miss says why",
    { goals: [{ of: "p50", atMost: 3 }], cause: "slow disk" },
    "| a commit | p50 ≤ 3 ms | 3.46 ms | 5.50 ms | 123 ms | 20 | 0.1 0.2 0.3 | **missed**: slow disk |",
  ],
  [
    "a miss that nobody explained says so",
    { goals: [{ of: "p50", atMost: 3 }] },
    "| a commit | p50 ≤ 3 ms | 3.46 ms | 5.50 ms | 123 ms | 20 | 0.1 0.2 0.3 | **missed**: cause not known |",
  ],
  [
    "one value needs no percentile, and a pipe is no cell",
    { what: "a|b", measured: { count: 1, min: 0, p50: 0, p95: 0, max: 0 }, unit: "writes" },
    "| a\\|b | ≤ 6 writes | 0 writes | 0 writes | 0 writes | 1 | 0.1 0.2 0.3 | met |",
  ],
])("%s", (_case, over, line) => {
  expect(lines(renderTable([aRow(over)]))).toEqual([line]);
});

it("shows all goals first, then each measurement in its place", () => {
  const later = aResult({
    name: "a-later",
    title: "Later",
    place: 2,
    rows: [aRow({ what: "later" }), aRow({ goals: [] })],
  });
  const page = renderPage([later, aResult()]);
  expect(page.match(/^## .*$/gm)).toEqual(["## Goals", "## The store", "## Later"]);
  const goals = page.slice(page.indexOf("## Goals"), page.indexOf("## The store"));
  expect(goals.match(/^\| (a commit|later) /gm)).toEqual(["| a commit ", "| later "]);
  expect(page).toContain("`store`, 2026-01-02, 2 cores.");
});
