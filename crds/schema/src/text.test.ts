import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { clipped, clippedToBytes, printable } from "./text.ts";

/** Any UTF-16 units at all, halves of pairs, controls and marks of direction among them. */
const anyText = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.array(fc.integer({ min: 0, max: 0xff_ff }), { maxLength: 40 }).map((units) => String.fromCharCode(...units)),
  fc
    .array(fc.constantFrom("👍", "👨‍👩‍👧", "\u001B[31m", "\u0007", "é", "\uD83D", "\uDC4D", "\u202E", "\n", "a"), {
      maxLength: 40,
    })
    .map((parts) => parts.join("")),
);
const most = fc.integer({ min: 0, max: 50 });
/** As an API server reads it: what is no character becomes U+FFFD. */
const throughUtf8 = (text: string) => Buffer.from(text, "utf8").toString("utf8");

describe("text of others", () => {
  it("is wanted as it is stored, whole or cut", () => {
    fc.assert(
      fc.property(anyText, most, (text, length) => {
        for (const wanted of [printable(text), clipped(text, length), clippedToBytes(text, length)])
          expect(throughUtf8(wanted)).toBe(wanted);
      }),
    );
  });

  it("is never longer than it may be, and cut no further than it must", () => {
    fc.assert(
      fc.property(anyText, most, (text, length) => {
        const whole = printable(text);
        expect(clipped(text, length).length).toBeLessThanOrEqual(length);
        expect(clipped(text, length).length).toBeGreaterThanOrEqual(Math.min(whole.length, length - 1));
        if (length >= 3) expect(Buffer.byteLength(clippedToBytes(text, length))).toBeLessThanOrEqual(length);
      }),
    );
  });

  it("holds nothing that a terminal obeys, and is the same when it is cut once more", () => {
    fc.assert(
      fc.property(anyText, most, (text, length) => {
        expect(printable(text)).not.toMatch(/[\p{Cc}\u202A-\u202E\u2066-\u2069\u2028\u2029]/u);
        expect(clipped(clipped(text, length), length)).toBe(clipped(text, length));
      }),
    );
  });

  it.each([
    ["a pair that is cut in its middle goes whole", clipped("a👍b", 2), "a"],
    ["a pair that fits stays", clipped("a👍b", 3), "a👍"],
    ["nothing may be asked for", clipped("👍", 0), ""],
    ["half a pair in the middle is marked, as the API server would", clipped("a\uD83Db", 9), "a\uFFFDb"],
    ["an escape sequence loses what makes it one", clipped("\u001B[31mAnn\u0007\u009B2J", 20), "[31mAnn2J"],
    ["lines become one", printable("one\r\ntwo\u2028three"), "one two three"],
    ["what turns the direction goes, what joins stays", printable("a\u202Eb👨‍👩‍👧"), "ab👨‍👩‍👧"],
    ["bytes are counted for an Event", clippedToBytes("👍👍👍", 8), "👍…"],
  ])("%s", (_case, cut, wanted) => {
    expect(cut).toBe(wanted);
  });
});
