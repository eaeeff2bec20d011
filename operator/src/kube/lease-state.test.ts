import { expect, it } from "vitest";
import { firstTransitions, leases, leaseStep } from "./lease-state.ts";
import { microTime } from "./micro-time.ts";

const leaseOf = (spec: object) =>
  leases.parse({ metadata: { name: "leader", namespace: "ns", uid: "u", resourceVersion: "1" }, spec });
const held = (holderIdentity: string, leaseDurationSeconds = 15) =>
  leaseOf({ holderIdentity, leaseDurationSeconds, leaseTransitions: 7 });

it.each([
  ["makes the Lease when there is none", undefined, 0, { kind: "Create" }],
  ["renews its own", held("me"), 0, { kind: "Renew" }],
  ["renews its own however old", held("me"), 99_000, { kind: "Renew" }],
  ["waits while another one renews", held("other"), 14_999, { kind: "Wait", holder: "other" }],
  [
    "takes over when the other was silent for the duration",
    held("other"),
    15_000,
    { kind: "TakeOver", transitions: 8 },
  ],
  ["waits as long as the holder was promised", held("other", 60), 59_999, { kind: "Wait", holder: "other" }],
  ["takes a released one at once", held(""), 0, { kind: "TakeOver", transitions: 8 }],
  ["takes one that was never held", leaseOf({}), 0, { kind: "TakeOver", transitions: 1 }],
])("%s", (_sentence, lease, unchangedForMs, step) => {
  expect(leaseStep({ lease, unchangedForMs }, "me", 15_000)).toMatchObject(step);
});

it("starts a new Lease's transitions above those of any Lease before it", () => {
  const dayMs = 86_400_000;
  const nowMs = Date.UTC(2026, 0, 1);
  expect(firstTransitions(nowMs + dayMs)).toBeGreaterThan(firstTransitions(nowMs) + 1_000);
  expect(firstTransitions(Date.UTC(4000, 0, 1))).toBeLessThan(2 ** 31);
});

it("writes six digits of a second", () => {
  expect(microTime(0)).toBe("1970-01-01T00:00:00.000000Z");
});
