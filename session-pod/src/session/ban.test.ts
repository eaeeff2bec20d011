import fc from "fast-check";
import { expect, it } from "vitest";
import { banMs } from "./ban.ts";

const nowMs = Date.parse("2026-06-01T00:00:00Z");
const hourMs = 3_600_000;

it.each([
  ["seconds to go", "7200", 2 * hourMs],
  ["its last second", "1", 1_000],
  ["seconds since 1970", String(nowMs / 1_000 + 7_200), 2 * hourMs],
  ["milliseconds since 1970", String(nowMs + 2 * hourMs), 2 * hourMs],
  ["nothing", undefined, hourMs],
  ["no number", "soon", hourMs],
  ["an empty text", "", hourMs],
  ["zero", "0", hourMs],
  ["less than zero", "-5", hourMs],
  ["a fraction", "1.5", hourMs],
  ["a number in another notation", "1e3", hourMs],
  ["an instant that has passed", String(nowMs / 1_000 - 60), hourMs],
  ["more than any clock holds", "9999999999999", hourMs],
  ["more digits than a number has", "9".repeat(400), hourMs],
])("a ban until %s", (_words, expire, lastsMs) => {
  expect(banMs(expire, nowMs)).toBe(lastsMs);
});

it("whatever the server says ends after now and within a year", () => {
  const text = fc.oneof(fc.string(), fc.integer().map(String), fc.maxSafeInteger().map(String));
  fc.assert(
    fc.property(text, (expire) => {
      const lastsMs = banMs(expire, nowMs);
      expect(lastsMs).toBeGreaterThan(0);
      expect(lastsMs).toBeLessThanOrEqual(366 * 24 * hourMs);
    }),
  );
});
