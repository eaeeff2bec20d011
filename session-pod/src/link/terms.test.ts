import type { HubFrame } from "@wa/schema";
import { describe, expect, it } from "vitest";
import { noTerm, termAfter } from "./terms.ts";

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
