import { describe, expect, it } from "vitest";
import { judge, wordsOf } from "./send-faults.ts";

const at = { nowMs: 1_000_000, random: 0 };
const day = 86_400_000;

describe("a text that did not go", () => {
  it.each([
    ["408, a query without an answer", 408],
    ["428, a closed connection", 428],
    ["429, too many at once", 429],
    ["500, an error of the server's", 500],
    ["503, a busy server", 503],
    ["599, any other of the server's", 599],
  ])("%s is tried until it goes", (_words, code) => {
    for (const attempts of [0, 1, 10, 1_000]) {
      const verdict = judge({ code, message: "" }, attempts, at);
      expect(verdict).toMatchObject({ state: "Queued", attempts: attempts + 1 });
    }
  });

  it.each([400, 401, 403, 404, 405, 406, 410, 463, 475, 487, 499])("%i is the server's last word", (code) => {
    expect(judge({ code, message: "no" }, 0, at)).toMatchObject({
      state: "Failed",
      error: expect.stringContaining(String(code)),
    });
  });

  it.each([
    ["a fault without a code", undefined],
    ["479", 479],
    ["421", 421],
  ])("%s is tried for hours, then given up", (_words, code) => {
    let waitedMs = 0;
    let tries = 0;
    for (;;) {
      const verdict = judge({ code, message: "?" }, tries, at);
      tries += 1;
      if (verdict.state === "Failed") break;
      waitedMs += verdict.notBeforeMs - at.nowMs;
    }
    expect(tries).toBe(14);
    expect(waitedMs).toBeGreaterThan(2 * 3_600_000);
    expect(waitedMs).toBeLessThan(day);
  });

  it("waits longer each time, from seconds to hours", () => {
    const waits = [0, 1, 2, 5, 20, 1e9].map((attempts) => {
      const verdict = judge({ code: 503, message: "" }, attempts, at);
      return verdict.state === "Queued" ? verdict.notBeforeMs - at.nowMs : 0;
    });
    expect(waits).toEqual([2_500, 5_000, 10_000, 80_000, 3_600_000, 3_600_000]);
  });

  it.each([
    [{ code: 463, message: "" }, "code 463: WhatsApp lets this account start no new chat now"],
    [{ code: 429, message: "rate-overlimit" }, "code 429: rate-overlimit"],
    [{ code: 499, message: "" }, "code 499"],
    [{ message: "Timed Out" }, "Timed Out"],
  ])("%j is said as %j", (fault, words) => {
    expect(wordsOf(fault)).toBe(words);
  });
});
