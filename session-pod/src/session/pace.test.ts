import fc from "fast-check";
import { expect, it } from "vitest";
import { isFlapping, mostStartsAnHour, nextStartMs } from "./pace.ts";

const hourMs = 3_600_000;

/** Starts of a device whose connections last so long each, and that comes back after so long, for so many hours. */
function startsOf(lastsMs: number, delayMs: number, hours: number): number[] {
  const starts: number[] = [];
  for (let nowMs = 0; nowMs < hours * hourMs;) {
    const startMs = nextStartMs(starts, nowMs);
    starts.push(startMs);
    nowMs = startMs + lastsMs + delayMs;
  }
  return starts;
}

it("a connection that is closed every 58 s is never held back", () => {
  const starts = startsOf(58_000, 1_500, 3);
  expect(starts.every((startMs, place) => startMs === place * 59_500)).toBe(true);
});

it("one that ends at once is let go for a while, and then ever more slowly, until the hour gives new starts", () => {
  const waits = startsOf(100, 0, 1).map((startMs, place, all) => startMs - (all[place - 1] ?? startMs));
  expect(Math.max(...waits.slice(0, 60))).toBeLessThan(1_000);
  expect(Math.min(...waits.slice(61))).toBeGreaterThan(60_000);
});

it("no hour has more starts than the bound, however connections end", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 600_000 }), { minLength: 100, maxLength: 400 }), (lasting) => {
      const starts: number[] = [];
      let nowMs = 0;
      for (const lastsMs of lasting) {
        const startMs = nextStartMs(starts, nowMs);
        starts.push(startMs);
        nowMs = startMs + lastsMs;
      }
      for (const from of starts)
        expect(starts.filter((ms) => ms >= from && ms < from + hourMs).length).toBeLessThanOrEqual(mostStartsAnHour);
    }),
    { numRuns: 30 },
  );
});

it("a device counts as flapping from its sixtieth start in an hour on", () => {
  const every = (count: number) => Array.from({ length: count }, (_none, place) => place * 1_000);
  expect([isFlapping(every(59), 70_000), isFlapping(every(60), 70_000)]).toEqual([false, true]);
  expect(isFlapping(every(60), hourMs + 60_000)).toBe(false);
});
