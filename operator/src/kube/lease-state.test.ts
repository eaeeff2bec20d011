import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { leases, leaseStep, nextTerm } from "./lease-state.ts";
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
  ["takes over when the other was silent for the duration", held("other"), 15_000, { kind: "TakeOver" }],
  ["waits as long as the holder was promised", held("other", 60), 59_999, { kind: "Wait", holder: "other" }],
  ["takes a released one at once", held(""), 0, { kind: "TakeOver" }],
  ["takes one that was never held", leaseOf({}), 0, { kind: "TakeOver" }],
])("%s", (_sentence, lease, unchangedForMs, step) => {
  expect(leaseStep({ lease, unchangedForMs }, "me", 15_000)).toMatchObject(step);
});

describe("the term of who takes the Lease", () => {
  const nowMs = Date.UTC(2026, 10, 27);
  const seconds = nowMs / 1_000;

  it.each([
    ["is the time in seconds when there was no Lease", 0, seconds],
    ["is the time in seconds over a Lease of minutes, as the first release made it", 29_928_839, seconds],
    ["is one more than was read when that is ahead of the time", seconds + 3, seconds + 4],
    ["stays what the API server can hold", 2 ** 31 - 1, 2 ** 31 - 1],
  ])("%s", (_sentence, read, term) => {
    expect(nextTerm(read, nowMs)).toBe(term);
  });

  it("never falls, however often leaders change and the Lease is deleted or put back to an older one", () => {
    const Change = fc.record({
      pauseMs: fc.integer({ min: 2_000, max: 100_000 }),
      found: fc.constantFrom("the newest", "the oldest", "none"),
    });
    fc.assert(
      fc.property(fc.array(Change), (changes) => {
        const terms = [29_000_000];
        let atMs = nowMs;
        for (const { pauseMs, found } of changes) {
          atMs += pauseMs;
          const read = { "the newest": terms.at(-1) ?? 0, "the oldest": terms[0] ?? 0, none: 0 }[found];
          const term = nextTerm(read, atMs);
          expect(term).toBeGreaterThan(terms.at(-1) ?? 0);
          terms.push(term);
        }
      }),
    );
  });
});

it("writes six digits of a second", () => {
  expect(microTime(0)).toBe("1970-01-01T00:00:00.000000Z");
});
