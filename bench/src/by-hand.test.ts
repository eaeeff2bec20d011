import { expect, it } from "vitest";
import { resultOf } from "./by-hand.ts";
import { verdictOf } from "./result.ts";

const entry = { what: "make x", atMostMin: 4, minutes: [3.5], at: "2026-01-02", load: "1 1 1", cause: "" };

it("takes what was measured, and the day of the newest value", () => {
  const { rows, at, how } = resultOf([entry, { ...entry, minutes: [4.5], at: "2026-01-03" }], "2 cores");
  expect(rows.map(({ what }) => what)).toEqual(["make x (2026-01-02)", "make x (2026-01-03)"]);
  expect(rows.map(verdictOf)).toEqual(["met", "missed"]);
  expect(at).toBe("2026-01-03");
  expect(how).not.toContain("Not measured yet");
});

it("names what nobody has measured, and shows no number for it", () => {
  const { rows, how } = resultOf([{ ...entry, minutes: [] }], "2 cores");
  expect(rows).toEqual([]);
  expect(how).toContain("Not measured yet: make x.");
});
