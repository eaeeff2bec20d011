import type { HubFrame } from "@wa/schema";
import { describe, expect, it } from "vitest";
import { afterLowerTerm, noTerm, termAfter, type LowerTerms } from "./terms.ts";

const grant = (term: number): HubFrame => ({ kind: "grant", term, grants: [] });

describe("the highest term", () => {
  it.each([
    ["is the first one heard", noTerm, grant(0), 0],
    ["stays with a frame of the same leader", 3, grant(3), 3],
    ["rises with a new leader", 3, grant(4), 4],
    ["drops the frame of a leader of before", 4, grant(3), undefined],
    ["does not concern a replica that does not lead", 4, { kind: "not-leader" }, 4],
    ["does not concern a refusal", 4, { kind: "refused", reason: "Foreign", message: "" }, 4],
  ] as const)("%s", (_what, highest, frame, expected) => {
    expect(termAfter(highest, frame)).toBe(expected);
  });
});

describe("a pod that hears lower terms alone", () => {
  const heardAt = (...instants: readonly number[]): number[] => {
    let lower: LowerTerms = {};
    return instants.map((nowMs) => {
      const { next, stuckForMs } = afterLowerTerm(lower, nowMs);
      lower = next;
      return stuckForMs;
    });
  };

  it.each([
    ["says nothing at first: leaders change", [0, 1_000, 119_999], [0, 0, 0]],
    ["says so after two minutes, with how long it has been", [0, 60_000, 125_000], [0, 0, 125_000]],
    ["says so again each minute, not with each dial", [0, 120_000, 125_000, 180_000], [0, 120_000, 0, 180_000]],
  ])("%s", (_what, instants, stuckForMs) => {
    expect(heardAt(...instants)).toEqual(stuckForMs);
  });
});
