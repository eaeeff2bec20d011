import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { offsetAfter, watchAfter, type ClockWatch } from "./server-clock.ts";

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

describe("a step of the API server's clock", () => {
  interface Answered {
    readonly atMs: number;
    readonly aheadMs: number;
    readonly delayMs?: number;
  }
  const dayMs = 86_400_000;
  const watched = (answers: readonly Answered[]): ClockWatch | undefined => {
    let watch: ClockWatch | undefined;
    for (const { atMs, aheadMs, delayMs = 5 } of answers) {
      const dateMs = Math.floor((atMs + dayMs + aheadMs) / 1_000) * 1_000;
      watch = watchAfter(watch, { dateMs, sentMs: atMs, receivedMs: atMs + delayMs });
    }
    return watch;
  };

  it.each([
    ["is seen forward", [0, 75_000], 1_005],
    ["is seen back", [0, -61_000], 1_005],
    ["is seen when it is small", [0, 4_500], 1_005],
    ["is none while the clock goes on", [0, 0, 0], undefined],
    ["is news once where two API servers answer in turn", [0, 30_000, 0, 30_000, 0], 1_005],
    ["is news again where a third one answers", [0, 30_000, 0, 90_000], 3_005],
  ])("%s", (_sentence, ahead, steppedAtMs) => {
    expect(watched(ahead.map((aheadMs, place) => ({ atMs: place * 1_000, aheadMs })))?.steppedAtMs).toBe(steppedAtMs);
  });

  it("is never seen in answers that were slow, however slow", () => {
    const Answer = fc.record({ pauseMs: fc.nat(5_000), delayMs: fc.nat(20_000) });
    fc.assert(
      fc.property(fc.array(Answer, { minLength: 1 }), (answers) => {
        let atMs = 0;
        let watch: ClockWatch | undefined;
        for (const { pauseMs, delayMs } of answers) {
          const sentMs = atMs + pauseMs;
          const dateMs = Math.floor((sentMs + delayMs / 2) / 1_000) * 1_000;
          watch = watchAfter(watch, { dateMs, sentMs, receivedMs: sentMs + delayMs });
          atMs = sentMs;
        }
        expect(watch?.steppedAtMs).toBeUndefined();
      }),
    );
  });
});
