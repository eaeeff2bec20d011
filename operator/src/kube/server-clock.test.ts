import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { offsetAfter } from "./server-clock.ts";

describe("the API server's clock", () => {
  it.each([
    ["takes the first date as it is", { before: undefined, dateMs: 5_000, atMs: 1_000 }, 4_000],
    ["goes up to a closer bound", { before: 4_000, dateMs: 6_000, atMs: 1_500 }, 4_500],
    ["is not put back by a date that was cut, or came late", { before: 4_500, dateMs: 6_000, atMs: 1_900 }, 4_500],
    ["follows a server whose clock was set back", { before: 100_000, dateMs: 6_000, atMs: 1_000 }, 5_000],
  ])("%s", (_what, { before, dateMs, atMs }, after) => {
    expect(offsetAfter(before, dateMs, atMs)).toBe(after);
  });

  it("never runs backwards, nor ahead of a server that answers with cut dates after some delay", () => {
    const Answer = fc.record({ pauseMs: fc.nat(5_000), delayMs: fc.nat(20_000) });
    fc.assert(
      fc.property(fc.nat(1_000_000), fc.array(Answer, { minLength: 1 }), (aheadMs, answers) => {
        let [atMs, offsetMs]: [number, number | undefined] = [0, undefined];
        for (const { pauseMs, delayMs } of answers) {
          const answeredMs = Math.floor((atMs + pauseMs + aheadMs) / 1_000) * 1_000;
          atMs += pauseMs + delayMs;
          const next = offsetAfter(offsetMs, answeredMs, atMs);
          expect(next).toBeGreaterThanOrEqual(offsetMs ?? -Infinity);
          expect(next).toBeLessThanOrEqual(aheadMs);
          offsetMs = next;
        }
      }),
    );
  });
});
