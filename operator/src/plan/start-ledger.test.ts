import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  earliestMs,
  emptyLedger,
  pruned,
  validForMs,
  windowMs,
  withoutStarts,
  withStart,
  type StartLedger,
} from "./start-ledger.ts";

const limit = { count: 6, periodMs: 60_000 };
const grant = (ledger: StartLedger, nowMs: number, nonce: string): { ledger: StartLedger; dueMs: number } => {
  const dueMs = earliestMs(ledger, "login", limit, nowMs);
  return { dueMs, ledger: withStart(ledger, "login", { dueMs, nonce }) };
};

function most(times: readonly number[], periodMs: number): number {
  return Math.max(0, ...times.map((from) => times.filter((time) => time >= from && time < from + periodMs).length));
}

describe("the start ledger", () => {
  it("gives a queue of 20 its times over as many windows as the limit asks for", () => {
    let ledger = emptyLedger;
    const due: number[] = [];
    for (let place = 0; place < 20; place++) {
      const granted = grant(ledger, 1_000, `n${place}`);
      ledger = granted.ledger;
      due.push(granted.dueMs);
    }
    const windows = due.map((time) => Math.floor((time - 1_000) / (windowMs(limit) + 1)));
    expect(windows).toEqual([0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3]);
  });

  it("does not delay a restart, and counts it as a login", () => {
    const full = Array.from({ length: 6 }).reduce<StartLedger>(
      (ledger, _none, place) => grant(ledger, 0, `n${place}`).ledger,
      emptyLedger,
    );
    expect(earliestMs(full, "restart", limit, 5)).toBe(5);
    const five = Array.from({ length: 5 }).reduce<StartLedger>(
      (ledger, _none, place) => grant(ledger, 0, `n${place}`).ledger,
      emptyLedger,
    );
    const counted = withStart(five, "restart", { dueMs: 5, nonce: "restart" });
    expect(earliestMs(counted, "login", limit, 10)).toBeGreaterThan(limit.periodMs);
  });

  it("keeps what the longest of the windows that share it reaches back to", () => {
    const started = withStart(emptyLedger, "login", { dueMs: 1_000, nonce: "a" });
    const byTheLong = pruned(started, 2_000, 70_000);
    expect(pruned(byTheLong, 50_000, 16_000).login).toHaveLength(1);
    expect(pruned(byTheLong, 80_000, 16_000).login).toHaveLength(0);
  });

  it("keeps registrations and logins apart", () => {
    const full = Array.from({ length: 6 }).reduce<StartLedger>(
      (ledger, _none, place) => grant(ledger, 0, `n${place}`).ledger,
      emptyLedger,
    );
    expect(earliestMs(full, "registration", limit, 7)).toBe(7);
  });

  it("gives back what is not due yet, and nothing that may have been used", () => {
    const ledger = withStart(withStart(emptyLedger, "login", { dueMs: 10, nonce: "used" }), "login", {
      dueMs: 90,
      nonce: "waiting",
    });
    expect(withoutStarts(ledger, new Set(["used", "waiting"]), 50).login.map(({ nonce }) => nonce)).toEqual(["used"]);
  });

  it("grants nothing before a lost ledger's window has passed", () => {
    expect(earliestMs({ ...emptyLedger, closedUntilMs: 500 }, "registration", limit, 1)).toBe(500);
  });

  it("never lets starts exceed the limit in any period, however late grants are used, returned or forgotten", () => {
    const Act = fc.record({
      pauseMs: fc.nat(40_000),
      lateMs: fc.nat(validForMs),
      fate: fc.constantFrom("used", "used", "returned", "crashed"),
    });
    fc.assert(
      fc.property(fc.array(Act, { maxLength: 60 }), (acts) => {
        let ledger = emptyLedger;
        let nowMs = 0;
        const starts: number[] = [];
        for (const [place, { pauseMs, lateMs, fate }] of acts.entries()) {
          nowMs += pauseMs;
          ledger = pruned(ledger, nowMs, windowMs(limit));
          const granted = grant(ledger, nowMs, `n${place}`);
          ledger = fate === "returned" ? withoutStarts(granted.ledger, new Set([`n${place}`]), nowMs) : granted.ledger;
          if (fate === "used") starts.push(granted.dueMs + lateMs);
        }
        expect(most(starts, limit.periodMs)).toBeLessThanOrEqual(limit.count);
      }),
      { numRuns: 300 },
    );
  });
});
