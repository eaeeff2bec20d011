import fc from "fast-check";
import { expect, it } from "vitest";
import { summarise } from "./statistics.ts";

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

it.each([
  ["one sample is everything", [7], { count: 1, min: 7, p50: 7, p95: 7, max: 7 }],
  ["of two, the lower is the median", [9, 3], { count: 2, min: 3, p50: 3, p95: 9, max: 9 }],
  ["of twenty, p95 is the second worst", upTo(20).toReversed(), { count: 20, min: 1, p50: 10, p95: 19, max: 20 }],
  ["of a hundred, the ranks are the percents", upTo(100), { count: 100, min: 1, p50: 50, p95: 95, max: 100 }],
  ["sorts by value, not by text", [100, 9, 20], { count: 3, min: 9, p50: 20, p95: 100, max: 100 }],
])("%s", (_case, samples, summary) => {
  expect(summarise(samples)).toEqual(summary);
});

it("says nothing of no samples", () => {
  expect(() => summarise([])).toThrow("no sample");
});

it("names measured values alone, in order, whatever the samples' order", () => {
  const samples = fc.array(fc.double({ noNaN: true }), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(samples, (values) => {
      const { min, p50, p95, max } = summarise(values);
      for (const value of [min, p50, p95, max]) expect(values).toContain(value);
      expect([min, p50, p95, max]).toEqual([min, p50, p95, max].toSorted((a, b) => a - b));
      expect(summarise(values.toReversed())).toEqual(summarise(values));
    }),
  );
});
