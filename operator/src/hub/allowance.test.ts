import { linkTiming } from "@wa/schema";
import { expect, it } from "vitest";
import { fullAllowance, isFull, mostBytes, restMs, spend } from "./allowance.ts";

it("a burst is read at once, and whoever goes on waits until it has been paid for", () => {
  const burst = spend(fullAllowance(0), mostBytes, 0);
  expect(restMs(burst, 0)).toBe(0);
  const more = spend(burst, 256 * 1024, 0);
  expect(restMs(more, 0)).toBe(1_000);
  expect(restMs(more, 400)).toBe(600);
  expect(restMs(more, 5_000)).toBe(0);
});

it("what a pod with two hundred reports a second says never waits", () => {
  let allowance = fullAllowance(0);
  for (let nowMs = 0; nowMs < 600_000; nowMs += 50) {
    allowance = spend(allowance, 12_000, nowMs);
    expect(restMs(allowance, nowMs)).toBe(0);
  }
});

it("no frame is so large that its pod would not be read for as long as a dead link's silence", () => {
  const spent = spend(spend(fullAllowance(0), 1e12, 0), 1e12, 1);
  expect(restMs(spent, 1)).toBeLessThan(linkTiming.pingIntervalMs);
});

it("is full again after a while, never more than full, and a clock that stands gives nothing", () => {
  const spent = spend(fullAllowance(0), 100, 0);
  expect(isFull(spent, 0)).toBe(false);
  expect(isFull(spent, 1_000)).toBe(true);
  expect(restMs(spend(spent, mostBytes, 1e9), 1e9)).toBe(0);
  expect(restMs(spend(spend(fullAllowance(0), mostBytes, 0), 1_024, -5_000), -5_000)).toBeGreaterThan(0);
});
