import fc from "fast-check";
import { expect, it } from "vitest";
import { backoffMs } from "./backoff.ts";

const limits = { baseMs: 2_000, maxMs: 300_000 };

it.each([
  ["the first wait without luck", 1, 0, 1_000],
  ["the first wait with all of it", 1, 0.999_999, 2_000],
  ["the third doubles twice", 3, 0.999_999, 8_000],
  ["a thousandth stays under the limit", 1_000, 0.999_999, 300_000],
])("%s", (_words, failures, random, waitMs) => {
  expect(backoffMs(failures, limits, random)).toBe(waitMs);
});

it("never waits longer than the limit nor less than half of what is due", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 10_000 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (failures, random) => {
        const waitMs = backoffMs(failures, limits, random);
        expect(waitMs).toBeLessThanOrEqual(limits.maxMs);
        expect(waitMs).toBeGreaterThanOrEqual(Math.min(limits.maxMs, limits.baseMs * 2 ** (failures - 1)) / 2);
      },
    ),
  );
});
