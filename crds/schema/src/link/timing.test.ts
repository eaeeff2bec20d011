import { expect, it } from "vitest";
import {
  cutMs,
  entitledForMs,
  entitlementCheckMs,
  linkDownAfterMs,
  linkTiming,
  storeCheckEveryMs,
  takeoverAfterMs,
} from "./timing.ts";

it("nobody is given a device before its former pod has looked at its entitlement, lost it and cut the socket", () => {
  expect(takeoverAfterMs).toBeGreaterThan(entitledForMs + entitlementCheckMs + cutMs);
});

it("a link is dead no later than the entitlement that it carries, and takes several lost pings to die", () => {
  expect(linkTiming.deadAfterMs).toBeLessThanOrEqual(entitledForMs);
  expect(linkTiming.deadAfterMs).toBeGreaterThanOrEqual(3 * linkTiming.pingIntervalMs);
});

it("a pod without a link asks the store several times before its entitlement ends", () => {
  expect(linkDownAfterMs + 3 * storeCheckEveryMs).toBeLessThan(entitledForMs);
});

it("a link that breaks is dialled anew within the entitlement", () => {
  expect(linkTiming.redialMaxMs + linkTiming.dialTimeoutMs).toBeLessThan(linkDownAfterMs);
});
