import { grantTiming, type Bucket } from "@wa/schema";
import { fairLevel } from "../../plan/shares.ts";
import type { StartLimit, StartLimits } from "../links.ts";

/** A start that was granted, or that its pod told of: when it is due, and the nonce by which it can be given back. */
export interface LedgerEntry {
  readonly dueMs: number;
  readonly nonce: string;
  /** Code of the pool that it counts for; empty: an operator of the first release wrote it, and it counts for everybody. */
  readonly pool: string;
  /** Made without a grant, or a restart: it holds back its own pool, and nobody else. */
  readonly isTold: boolean;
  /** How much later than other grants it may be used, because its pod cannot tell a late one. */
  readonly lateMs: number;
}

/** The starts of one address, kept in a Lease. Times are of one steady clock, in milliseconds since the epoch. */
export interface StartLedger {
  readonly login: readonly LedgerEntry[];
  readonly registration: readonly LedgerEntry[];
  /** Nothing is granted before: the ledger was lost or unreadable, and one window has to pass. */
  readonly closedUntilMs: number;
  /** Longest window of those that draw on it: pools with different limits may share an address. */
  readonly keepMs: number;
  /** Since when each pool draws on it, by code. */
  readonly pools: Readonly<Record<string, number>>;
}

export const emptyLedger: StartLedger = { login: [], registration: [], closedUntilMs: 0, keepMs: 0, pools: {} };

/** Who asks for starts of an address, and with whom it is shared. */
export interface Claim {
  readonly pool: string;
  readonly limits: StartLimits;
  /** Limits of the other pools that leave by the address now, by code. */
  readonly others: ReadonlyMap<string, StartLimits>;
}

const { validForMs, mostOnTheWayMs } = grantTiming;
/** On top of the grant's way: a timer and an event loop that are late. */
const spareMs = 1_000;
/** From when a grant is due until it can surely not be used any more. */
const slackMs = validForMs + mostOnTheWayMs + spareMs;
/** How far the clocks of two leaders are believed to differ. */
const mostSkewMs = 300_000;
/** So many fit into an annotation. */
export const mostEntries = 3_400;

/**
 * Length in which at most `count` grants may be due. What must be limited is starts: one at s was due in [s - slack, s], so
 * the starts of any period were due within period + slack.
 */
export const windowMs = ({ periodMs }: StartLimit): number => periodMs + slackMs;

export const longestWindowMs = (limits: Iterable<StartLimits>): number =>
  Math.max(...[...limits].flatMap(({ login, registration }) => [windowMs(login), windowMs(registration)]));

type List = "login" | "registration";
/** Restarts that WhatsApp itself asks for count as logins; they are not delayed. */
const listOf = (bucket: Bucket): List => (bucket === "registration" ? "registration" : "login");

const usableUntilMs = ({ dueMs, lateMs }: LedgerEntry): number => dueMs + slackMs + lateMs;
const isOf = (pool: string) => (entry: LedgerEntry) => entry.pool === pool || entry.pool === "";
const allOf = ({ login, registration }: StartLedger): readonly LedgerEntry[] => [...login, ...registration];

/** How far ahead a grant may lie: whoever comes later is answered later, so that a queue holds no address for hours. */
export const reachMs = (keepMs: number): number => keepMs + spareMs;

/**
 * A ledger as it was read. What no window reaches back to is dropped. What lies further ahead than any grant is nobody's queue: a
 * wrong clock, or a pod of the first release that lied; it counts as of now. So does what another leader entered lately, when it
 * is read first: that leader's clock may have been another one.
 */
export function readAt(
  ledger: StartLedger,
  { nowMs, keepMs, isFirst }: { readonly nowMs: number; readonly keepMs: number; readonly isFirst: boolean },
): StartLedger {
  const kept = ledger.login.length + ledger.registration.length === 0 ? keepMs : Math.max(ledger.keepMs, keepMs);
  const farthestMs = nowMs + 2 * reachMs(kept);
  const reachesBack = (entry: LedgerEntry) => entry.dueMs + entry.lateMs + kept + (isFirst ? mostSkewMs : 0) >= nowMs;
  const datedMs = ({ dueMs }: LedgerEntry) => (dueMs > farthestMs || (isFirst && dueMs < nowMs) ? nowMs : dueMs);
  const dated = (entries: readonly LedgerEntry[]) =>
    entries
      .filter(reachesBack)
      .map((entry) => ({ ...entry, dueMs: datedMs(entry) }))
      .toSorted(byTime);
  return {
    ...ledger,
    keepMs: kept,
    login: dated(ledger.login),
    registration: dated(ledger.registration),
    closedUntilMs: ledger.closedUntilMs > farthestMs ? nowMs + kept : ledger.closedUntilMs,
  };
}

const byTime = (a: LedgerEntry, b: LedgerEntry): number => a.dueMs - b.dueMs;

/** With everybody noted who leaves by the address, or did so within the last window. */
export function joined(ledger: StartLedger, { pool, others }: Claim, nowMs: number): StartLedger {
  const recent = allOf(ledger).map((entry) => entry.pool);
  const present = new Set([pool, ...others.keys(), ...recent].filter((code) => code !== ""));
  const since = [...present].slice(0, mostPools).map((code) => [code, ledger.pools[code] ?? nowMs] as const);
  return { ...ledger, pools: Object.fromEntries(since) };
}
const mostPools = 500;

/**
 * What a pool may take of an address that it shares: all pools together as many starts as the pool of the highest rate may make
 * alone, each a fair share of that, and at least one. A pool that was here within the last window counts with what it took.
 */
function shareOf(ledger: StartLedger, list: List, { pool, limits, others }: Claim) {
  const { count, periodMs } = limits[list];
  const named = [...others.values()].map((other) => (other[list].count * periodMs) / other[list].periodMs);
  const former = new Map<string, number>();
  for (const entry of ledger[list])
    if (!entry.isTold && !isOf(pool)(entry) && !others.has(entry.pool))
      former.set(entry.pool, (former.get(entry.pool) ?? 0) + 1);
  const total = Math.max(count, ...named);
  const level = fairLevel(total, [count, ...named, ...former.values()]);
  return { own: Math.max(1, Math.floor(Math.min(count, level))), total: Math.max(1, Math.floor(total)) };
}

/** Instants until which entries may still be used, in order. */
class Usable {
  readonly #untilMs: number[];

  constructor(entries: readonly LedgerEntry[]) {
    this.#untilMs = entries.map(usableUntilMs).toSorted((a, b) => a - b);
  }

  add(untilMs: number): void {
    this.#untilMs.splice(this.#untilMs.findLastIndex((other) => other <= untilMs) + 1, 0, untilMs);
  }

  /** When fewer than `count` of them may still have been used within the last period. */
  freeMs(count: number, periodMs: number): number {
    const blockingMs = this.#untilMs.at(-count);
    return blockingMs === undefined ? 0 : blockingMs + periodMs + 1;
  }
}

/**
 * The line of a pool's starts at one address: each next one is put at the earliest time at which it fits. A pool's grants lie in the
 * order of their times, and only its own hold it back; a pool that came lately waits also for what the others were granted
 * before they had to share.
 */
export class StartLine {
  readonly #share: ReturnType<typeof shareOf>;
  readonly #periodMs: number;
  readonly #own: Usable;
  readonly #granted: Usable | undefined;
  #floorMs: number;

  constructor(ledger: StartLedger, claim: Claim, bucket: Bucket, nowMs: number) {
    const list = listOf(bucket);
    const own = ledger[list].filter(isOf(claim.pool));
    this.#share = shareOf(ledger, list, claim);
    this.#periodMs = claim.limits[list].periodMs;
    this.#own = new Usable(own);
    this.#floorMs = Math.max(nowMs, ledger.closedUntilMs, own.at(-1)?.dueMs ?? 0);
    if (!isNewcomer(ledger, claim, nowMs)) return;
    const granted = ledger[list].filter(({ isTold }) => !isTold);
    this.#granted = new Usable(granted);
    this.#floorMs = Math.max(this.#floorMs, granted.at(-1)?.dueMs ?? 0);
  }

  get earliestMs(): number {
    const { own, total } = this.#share;
    const freeMs = this.#own.freeMs(own, this.#periodMs);
    return Math.ceil(Math.max(this.#floorMs, freeMs, this.#granted?.freeMs(total, this.#periodMs) ?? 0));
  }

  add(entry: LedgerEntry): void {
    const untilMs = usableUntilMs(entry);
    this.#own.add(untilMs);
    this.#granted?.add(untilMs);
    this.#floorMs = Math.max(this.#floorMs, entry.dueMs);
  }
}

/** What others were granted before this pool came lies one reach ahead at most, and counts for one window more. */
const isNewcomer = ({ pools, keepMs }: StartLedger, { pool }: Claim, nowMs: number): boolean =>
  nowMs - (pools[pool] ?? nowMs) < reachMs(keepMs) + keepMs;

/** How many more entries of a pool the ledger can hold: each pool has a part of it. */
export function roomFor(ledger: StartLedger, { pool }: Claim): number {
  const all = allOf(ledger);
  return Math.min(mostEntries - all.length, roomOf(ledger) - all.filter((entry) => entry.pool === pool).length);
}

const roomOf = ({ pools }: StartLedger): number => Math.floor(mostEntries / Math.max(1, Object.keys(pools).length));

/** The ledger with these grants in it. */
export function withStarts(ledger: StartLedger, bucket: Bucket, entries: readonly LedgerEntry[]): StartLedger {
  const name = listOf(bucket);
  return { ...ledger, [name]: [...ledger[name], ...entries].toSorted(byTime) };
}

export interface Told extends Pick<LedgerEntry, "dueMs" | "nonce"> {
  readonly bucket: Bucket;
}

/**
 * The ledger with starts that were made without it, each once, however often it is told. Of a pool's own entries only the newest stay that it has room for: one that is
 * older than as many as any limit counts holds back nobody.
 */
export function withTold(ledger: StartLedger, { pool }: Claim, told: readonly Told[]): StartLedger {
  const others = allOf(ledger).filter((entry) => entry.pool !== pool).length;
  const most = Math.max(1, Math.floor(Math.min(roomOf(ledger), mostEntries - others) / 2));
  const nonces = new Set(told.map(({ nonce }) => nonce));
  const merged = (list: List): LedgerEntry[] => {
    const more = told
      .filter(({ bucket }) => listOf(bucket) === list)
      .map(({ dueMs, nonce }) => ({ dueMs: Math.ceil(dueMs), nonce, pool, isTold: true, lateMs: 0 }));
    const before = ledger[list].filter((entry) => entry.pool === pool && !nonces.has(entry.nonce));
    const own = [...before, ...more].toSorted(byTime).slice(-most);
    return [...ledger[list].filter((entry) => entry.pool !== pool), ...own].toSorted(byTime);
  };
  return { ...ledger, login: merged("login"), registration: merged("registration") };
}

/** Gives back starts that are not due yet; one that may have been used stays. */
export function withoutStarts(ledger: StartLedger, nonces: ReadonlySet<string>, nowMs: number): StartLedger {
  const kept = (entries: readonly LedgerEntry[]) =>
    entries.filter(({ nonce, dueMs }) => dueMs <= nowMs || !nonces.has(nonce));
  return { ...ledger, login: kept(ledger.login), registration: kept(ledger.registration) };
}

/** Whether nobody needs it: nothing in it counts any more, by whatever leader's clock. */
export function isSpent(ledger: StartLedger, nowMs: number): boolean {
  const newestMs = Math.max(0, ...allOf(ledger).map(usableUntilMs), ledger.closedUntilMs);
  return newestMs + ledger.keepMs + mostSkewMs < nowMs;
}
