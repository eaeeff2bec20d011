import { expect, it } from "vitest";
import { parseTimes, withFirstRun } from "./first-run.ts";

const earlier = { what: "make x", atMostMin: 4, minutes: [3.5], at: "2026-01-02", load: "1 1 1", cause: "" };
const demoAlone = parseTimes("make demo\t1200\nmake demo-down\t60\n");
const run = { seconds: demoAlone, hasEngine: false, load: "2 2 2", day: "2026-01-03" };

it("adds the demo's minutes to what was measured by hand", () => {
  const added = { what: "`make demo` on a fresh machine, cold, no engine up", atMostMin: 25, minutes: [20] };
  expect(withFirstRun([earlier], run)).toEqual([earlier, { ...added, at: "2026-01-03", load: "2 2 2", cause: "" }]);
});

it("counts what was between both commands into their time", () => {
  const seconds = parseTimes("make demo\t1200\nmake demo-down\t60\nmake test\t1500\n");
  const [, both] = withFirstRun([], { ...run, seconds, hasEngine: true });
  expect(both).toMatchObject({
    what: "`make demo` and `make test` on a fresh machine, cold, an engine up",
    atMostMin: 55,
    minutes: [46],
  });
});

it("puts a later run of the same kind in the place of the earlier, and of no other kind", () => {
  const first = withFirstRun([earlier], run);
  const other = withFirstRun(first, { ...run, hasEngine: true });
  const again = withFirstRun(other, { ...run, seconds: parseTimes("make demo\t900") });
  expect(again.map(({ minutes }) => minutes)).toEqual([[3.5], [15], [20]]);
});

it.each(["make demo", "make demo\t", "make demo\t-1", "make demo\t1.5", "\t5", "make demo\t5\t6"])(
  "refuses the line %j, and shows it",
  (line) => {
    expect(() => parseTimes(line)).toThrow(JSON.stringify(line));
  },
);

it("refuses times without the demo's", () => {
  expect(() => withFirstRun([], { ...run, seconds: new Map() })).toThrow("has no make demo");
});
