import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fairLevel } from "./shares.ts";

const sharesOf = (whole: number, ...asked: readonly number[]): number[] =>
  asked.map((ask) => Math.min(ask, fairLevel(whole, asked)));

describe("a whole is shared", () => {
  it.each([
    ["by nobody else", 30, [30], [30]],
    ["in equal parts where all ask for all", 30, [30, 30], [15, 15]],
    ["so that who asks for little gets it, and the other the rest", 100, [100, 10], [90, 10]],
    ["so that nothing is kept for who wants nothing", 100, [100, 0], [100, 0]],
    ["among three of which one asks for little", 30, [30, 6, 30], [12, 6, 12]],
    ["so that all get what they ask for while it lasts", 30, [10, 10], [10, 10]],
  ])("%s", (_sentence, whole, asked, shares) => {
    expect(sharesOf(whole, ...asked)).toEqual(shares);
  });

  it("never beyond itself, and whoever asks for more costs the others at most one equal part", () => {
    const Ask = fc.nat(3_000);
    fc.assert(
      fc.property(fc.array(Ask, { minLength: 1, maxLength: 20 }), Ask, (asked, more) => {
        const whole = Math.max(...asked, more);
        const before = sharesOf(whole, ...asked);
        const after = sharesOf(whole, ...asked, more);
        expect(after.reduce((sum, share) => sum + share, 0)).toBeLessThanOrEqual(whole + 1e-6);
        for (const [place, share] of before.entries())
          expect(after[place]).toBeGreaterThanOrEqual(Math.min(share, whole / (asked.length + 1)) - 1e-6);
      }),
    );
  });
});
