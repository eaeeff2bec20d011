import { grantTiming, type Bucket } from "@wa/schema";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ledgerOf, textOf } from "./ledger-text.ts";
import {
  emptyLedger,
  isSpent,
  joined,
  longestWindowMs,
  mostEntries,
  readAt,
  roomFor,
  StartLine,
  windowMs,
  withoutStarts,
  withStarts,
  withTold,
  type Claim,
  type LedgerEntry,
  type StartLedger,
} from "./start-ledger.ts";

const { validForMs, mostOnTheWayMs } = grantTiming;
const limit = { count: 6, periodMs: 60_000 };
const limits = { login: limit, registration: limit };
const claim: Claim = { pool: "aaaaaaaaaa", limits, others: new Map() };
const keepMs = longestWindowMs([limits]);
const entry = (dueMs: number, nonce: string, over: Partial<LedgerEntry> = {}): LedgerEntry => ({
  dueMs,
  nonce,
  pool: claim.pool,
  isTold: false,
  lateMs: 0,
  ...over,
});
const earliest = (ledger: StartLedger, nowMs: number, bucket: Bucket = "login", of = claim): number =>
  new StartLine(ledger, of, bucket, nowMs).earliestMs;
const withStart = (ledger: StartLedger, bucket: Bucket, one: LedgerEntry): StartLedger =>
  withStarts(ledger, bucket, [one]);
const grant = (ledger: StartLedger, nowMs: number, nonce: string, of = claim) => {
  const found = joined(ledger, of, nowMs);
  const dueMs = earliest(found, nowMs, "login", of);
  return { dueMs, ledger: withStart(found, "login", entry(dueMs, nonce, { pool: of.pool })) };
};
const full = (nowMs = 0): StartLedger =>
  Array.from({ length: limit.count }).reduce<StartLedger>(
    (ledger, _none, place) => grant(ledger, nowMs, `n${place}`).ledger,
    emptyLedger,
  );

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

  it("counts a restart as a login", () => {
    const five = { ...full(), login: full().login.slice(0, 5) };
    const counted = withTold(five, claim, [{ bucket: "restart", dueMs: 5, nonce: "restart" }]);
    expect(earliest(counted, 10)).toBeGreaterThan(limit.periodMs);
  });

  it("keeps registrations and logins apart", () => {
    expect(earliest(full(), 7, "registration")).toBe(7);
  });

  it("waits longer for grants whose pod cannot tell a late one", () => {
    const late = { ...full(), login: full().login.map((one) => ({ ...one, lateMs: 31_000 })) };
    expect(earliest(late, 0) - earliest(full(), 0)).toBe(31_000);
  });

  it("gives back what is not due yet, and nothing that may have been used", () => {
    const ledger = withStart(withStart(emptyLedger, "login", entry(10, "used")), "login", entry(90, "waiting"));
    expect(withoutStarts(ledger, new Set(["used", "waiting"]), 50).login.map(({ nonce }) => nonce)).toEqual(["used"]);
  });

  it("grants nothing before a lost ledger's window has passed", () => {
    expect(earliest({ ...emptyLedger, closedUntilMs: 500 }, 1, "registration")).toBe(500);
  });
});

describe("a ledger that is read", () => {
  const nowMs = 1_000_000;
  const dueTimes = (entries: readonly LedgerEntry[], isFirst = false) =>
    readAt({ ...emptyLedger, login: entries }, { nowMs, keepMs, isFirst }).login.map(({ dueMs }) => dueMs);

  it.each([
    ["keeps what a window reaches back to", [nowMs - keepMs], false, [nowMs - keepMs]],
    ["drops what none does", [nowMs - keepMs - 1], false, []],
    ["keeps what waits", [nowMs + keepMs], false, [nowMs + keepMs]],
    [
      "counts what lies further ahead than any queue as of now",
      [nowMs + 8e15, nowMs + 10 * keepMs],
      false,
      [nowMs, nowMs],
    ],
    ["counts what another leader entered lately as of now", [nowMs - keepMs - 60_000, nowMs - 1], true, [nowMs, nowMs]],
    ["leaves what another leader granted ahead", [nowMs + 5_000], true, [nowMs + 5_000]],
    ["drops what another leader entered long ago", [nowMs - keepMs - 300_001], true, []],
  ])("%s", (_sentence, entries, isFirst, times) => {
    expect(
      dueTimes(
        entries.map((dueMs) => entry(dueMs, "n")),
        isFirst,
      ),
    ).toEqual(times);
  });

  it("keeps what the longest of the windows that share it reaches back to", () => {
    const started = withStart(emptyLedger, "login", entry(1_000, "a"));
    const byTheLong = readAt(started, { nowMs: 2_000, keepMs: 70_000, isFirst: false });
    expect(readAt(byTheLong, { nowMs: 50_000, keepMs: 16_000, isFirst: false }).login).toHaveLength(1);
    expect(readAt(byTheLong, { nowMs: 80_000, keepMs: 16_000, isFirst: false }).login).toHaveLength(0);
  });

  it("is not closed for longer than a window, whatever stands in it", () => {
    const closed = { ...emptyLedger, closedUntilMs: 8e15 };
    expect(readAt(closed, { nowMs, keepMs, isFirst: false }).closedUntilMs).toBe(nowMs + keepMs);
  });
});

describe("starts that were made without the ledger", () => {
  const told = (count: number, atMs = 0) =>
    Array.from({ length: count }, (_none, place) => ({ bucket: "login" as const, dueMs: atMs, nonce: `t${place}` }));

  it("are entered at once, however many they are", () => {
    const startMs = performance.now();
    const ledger = withTold(joined(emptyLedger, claim, 0), claim, told(100_000));
    expect(performance.now() - startMs).toBeLessThan(2_000);
    expect(ledger.login.length).toBeLessThanOrEqual(mostEntries / 2);
    expect(earliest(ledger, 0)).toBeGreaterThan(limit.periodMs);
  });

  it("are entered once, however often they are told", () => {
    const once = withTold(emptyLedger, claim, told(3));
    expect(withTold(once, claim, told(3))).toEqual(once);
  });

  it("take nothing from the grants of others that share the address", () => {
    const theirs = { ...claim, pool: "bbbbbbbbbb", others: new Map([[claim.pool, limits]]) };
    const ledger = withTold(joined(emptyLedger, theirs, 0), claim, told(100_000, 1_000));
    expect(earliest(ledger, 1_000, "login", theirs)).toBe(1_000);
  });
});

describe("an address that two pools share", () => {
  const other: Claim = { pool: "bbbbbbbbbb", limits, others: new Map([[claim.pool, limits]]) };
  const mine: Claim = { ...claim, others: new Map([[other.pool, limits]]) };
  const granted = (ledger: StartLedger, of: Claim, count: number, nowMs: number) => {
    let next = ledger;
    const times: number[] = [];
    for (let place = 0; place < count; place++) {
      const one = grant(next, nowMs, `${of.pool}${place}`, of);
      next = one.ledger;
      times.push(one.dueMs);
    }
    return { ledger: next, times };
  };

  it("gives each its share, however much the other asks for", () => {
    const greedy = granted(emptyLedger, mine, 300, 0);
    const { times } = granted(greedy.ledger, other, 3, 1_000_000);
    expect(greedy.times.slice(0, 4).map((time) => time > 0)).toEqual([false, false, false, true]);
    expect(times).toEqual([1_000_000, 1_000_000, 1_000_000]);
  });

  it("gives a pool of a small limit that, and the other the rest", () => {
    const small: Claim = { ...other, limits: { login: { count: 2, periodMs: 60_000 }, registration: limit } };
    const large: Claim = { ...claim, others: new Map([[small.pool, small.limits]]) };
    const { times } = granted(emptyLedger, large, 6, 0);
    expect(times.filter((time) => time === 0)).toHaveLength(4);
  });

  it("compares limits of different periods by their rates", () => {
    const slow: Claim = { ...other, limits: { login: { count: 12, periodMs: 120_000 }, registration: limit } };
    const { times } = granted(emptyLedger, { ...claim, others: new Map([[slow.pool, slow.limits]]) }, 6, 0);
    expect(times.filter((time) => time === 0)).toHaveLength(3);
  });

  it("gives at least one start a window to each of more pools than the limit counts", () => {
    const many = Array.from(
      { length: 20 },
      (_none, place) => [`pool${String(place).padStart(6, "0")}`, limits] as const,
    );
    expect(granted(emptyLedger, { ...claim, others: new Map(many) }, 2, 0).times[0]).toBe(0);
  });

  it("never sees more starts than the larger limit, when pools come, go and ask at any time", () => {
    const Act = fc.record({
      pauseMs: fc.nat(30_000),
      isMine: fc.boolean(),
      isShared: fc.boolean(),
      lateMs: fc.nat(validForMs + mostOnTheWayMs),
    });
    fc.assert(
      fc.property(fc.array(Act, { maxLength: 80 }), (acts) => {
        let ledger = emptyLedger;
        let nowMs = 0;
        const starts: number[] = [];
        for (const [place, { pauseMs, isMine, isShared, lateMs }] of acts.entries()) {
          nowMs += pauseMs;
          const asking = isMine ? mine : other;
          const of = isShared ? asking : { ...asking, others: new Map() };
          ledger = joined(readAt(ledger, { nowMs, keepMs, isFirst: false }), of, nowMs);
          const dueMs = earliest(ledger, nowMs, "login", of);
          if (dueMs > nowMs + keepMs) continue;
          ledger = withStart(ledger, "login", entry(dueMs, `n${place}`, { pool: of.pool }));
          starts.push(dueMs + lateMs);
        }
        expect(most(starts, limit.periodMs)).toBeLessThanOrEqual(limit.count);
      }),
      { numRuns: 500 },
    );
  });
});

describe("what an annotation holds", () => {
  it("is read as it was written, by an operator of the first release too", () => {
    const ledger = withTold(full(), claim, [{ bucket: "login", dueMs: 3, nonce: "told" }]);
    const text = textOf(withStart(ledger, "registration", entry(9, "late", { lateMs: 31_000 })));
    expect(textOf(ledgerOf(text) ?? emptyLedger)).toBe(text);
    const firstRelease: unknown = JSON.parse(text);
    expect(firstRelease).toMatchObject({ login: expect.any(Array), closedUntilMs: 0, keepMs: expect.any(Number) });
  });

  it("counts for everybody where an operator of the first release wrote it", () => {
    const nonce = "0190c3f2-7a51-7cc0-9f4e-000000000001";
    const old = { login: [{ dueMs: 5, nonce }], registration: [], closedUntilMs: 0, keepMs: 0 };
    expect(ledgerOf(JSON.stringify(old))?.login).toEqual([entry(5, "0190c3f2", { pool: "" })]);
  });

  it.each([undefined, "", "{", "null", "[]", '{"login":[]}', '{"login":[{"dueMs":"x","nonce":"n"}]}'])(
    "is nothing where it is %s",
    (text) => {
      expect(ledgerOf(text)).toBeUndefined();
    },
  );

  it("always fits, whoever fills the ledger with whatever he may tell", () => {
    let ledger = emptyLedger;
    for (let place = 0; place < 40; place++) {
      const pool = `pool${String(place).padStart(6, "0")}`;
      const of: Claim = {
        pool,
        limits: { login: { count: 3_000, periodMs: 60_000 }, registration: limit },
        others: new Map(),
      };
      ledger = joined(ledger, of, 0);
      const told = Array.from({ length: 5_000 }, (_none, at) => ({
        bucket: at % 2 === 0 ? ("login" as const) : ("registration" as const),
        dueMs: 1_795_737_600_000,
        nonce: `${String(at).padStart(8, "0")}`,
      }));
      ledger = withTold(ledger, of, told);
      for (let more = 0; roomFor(ledger, of) > 0 && more < 200; more++)
        ledger = withStart(ledger, "login", entry(1_795_737_600_000, "nnnnnnnn", { pool, lateMs: 31_000 }));
    }
    expect(textOf(ledger).length).toBeLessThan(262_144);
  });
});

it("a ledger is nobody's once nothing in it counts by any leader's clock", () => {
  const ledger = { ...withStart(emptyLedger, "login", entry(1_000, "a")), keepMs };
  expect(isSpent(ledger, 1_000 + keepMs)).toBe(false);
  expect(isSpent(ledger, 1_000 + 2 * keepMs + 300_000)).toBe(true);
  expect(isSpent({ ...ledger, closedUntilMs: 9e12 }, 1_000 + 2 * keepMs + 300_000)).toBe(false);
});

it("starts never exceed the limit in any period, however late grants are used, returned or forgotten, and leaders change", () => {
  const Act = fc.record({
    pauseMs: fc.nat(9_000),
    lateMs: fc.nat(validForMs + mostOnTheWayMs),
    fate: fc.constantFrom("used", "used", "used", "returned", "crashed"),
    leader: fc.constantFrom("the same", "the same", "the same", "another"),
    skewMs: fc.integer({ min: -90_000, max: 90_000 }),
  });
  fc.assert(
    fc.property(fc.array(Act, { maxLength: 60 }), (acts) => {
      let text = textOf(emptyLedger);
      let trueMs = 10_000_000;
      let skewMs = 0;
      let isFirst = false;
      const starts: number[] = [];
      for (const [place, act] of acts.entries()) {
        trueMs += act.pauseMs;
        if (act.leader === "another") [skewMs, isFirst] = [act.skewMs, true];
        const nowMs = trueMs + skewMs;
        const found = joined(readAt(ledgerOf(text) ?? emptyLedger, { nowMs, keepMs, isFirst }), claim, nowMs);
        const dueMs = earliest(found, nowMs);
        if (dueMs > nowMs + keepMs) continue;
        const granted = withStart(found, "login", entry(dueMs, `n${place}`));
        isFirst = false;
        const kept = act.fate === "returned" ? withoutStarts(granted, new Set([`n${place}`]), nowMs) : granted;
        text = textOf(kept);
        if (act.fate === "used") starts.push(dueMs - skewMs + act.lateMs);
      }
      expect(most(starts, limit.periodMs)).toBeLessThanOrEqual(limit.count);
    }),
    { numRuns: 500 },
  );
});
