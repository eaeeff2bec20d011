import { describe, expect, it } from "vitest";
import { redialDelayMs } from "./redial.ts";

describe("the next dial", () => {
  it.each([
    ["after a break at once at best", "Closed", 0, 0],
    ["after a break five seconds later at most", "Closed", 1, 5_000],
    ["after a replica that does not lead soon", "NotLeader", 0, 100],
    ["after a replica that does not lead within a second", "NotLeader", 1, 1_000],
    ["after a refusal late", "Refused", 0, 5_000],
  ] as const)("comes %s", (_when, end, random, delayMs) => {
    expect(redialDelayMs(end, random)).toBe(delayMs);
  });
});
