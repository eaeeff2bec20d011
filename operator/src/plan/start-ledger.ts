import type { Bucket } from "@wa/schema";

/** A start that was granted: when it is due, and the nonce by which it can be given back. */
export interface LedgerEntry {
  readonly dueMs: number;
  readonly nonce: string;
}

/** The starts of one address, kept in a Lease. Times are the API server's, in milliseconds since the epoch. */
export interface StartLedger {
  readonly login: readonly LedgerEntry[];
  readonly registration: readonly LedgerEntry[];
  /** Nothing is granted before: the ledger was lost or unreadable, and one window has to pass. */
  readonly closedUntilMs: number;
  /** Longest window of those that draw on it: pools with different limits may share an address. */
  readonly keepMs: number;
}

export interface StartLimit {
  readonly count: number;
  readonly periodMs: number;
}

export const emptyLedger: StartLedger = { login: [], registration: [], closedUntilMs: 0, keepMs: 0 };

/** How long after it is due a grant may still be used. */
export const validForMs = 5_000;
/** On top of that: the way of the frame to the pod, and the second in which HTTP dates are exact. */
const travelMs = 5_000;

/**
 * Length in which at most `count` grants may be due. What must be limited is starts: one at s was due in [s - slack, s], so
 * the starts of any period were due within period + slack.
 */
export const windowMs = (limit: StartLimit): number => limit.periodMs + validForMs + travelMs;

/** Restarts that WhatsApp itself asks for count as logins; they are not delayed. */
const listOf = (bucket: Bucket): "login" | "registration" => (bucket === "registration" ? "registration" : "login");

const byTime = (a: LedgerEntry, b: LedgerEntry): number => a.dueMs - b.dueMs;

/** Earliest time, not before `notBeforeMs`, at which one more start fits. Grants are given in the order of their times. */
export function earliestMs(ledger: StartLedger, bucket: Bucket, limit: StartLimit, notBeforeMs: number): number {
  if (bucket === "restart") return notBeforeMs;
  const entries = ledger[listOf(bucket)];
  const newestMs = entries.at(-1)?.dueMs ?? 0;
  const blockingMs = entries.at(-limit.count)?.dueMs;
  const freeMs = blockingMs === undefined ? 0 : blockingMs + windowMs(limit) + 1;
  return Math.max(notBeforeMs, newestMs, freeMs, ledger.closedUntilMs);
}

/** The ledger with this start in it, in the place of an earlier entry of the same nonce. */
export function withStart(ledger: StartLedger, bucket: Bucket, entry: LedgerEntry): StartLedger {
  const name = listOf(bucket);
  const others = ledger[name].filter(({ nonce }) => nonce !== entry.nonce);
  return { ...ledger, [name]: [...others, entry].toSorted(byTime) };
}

/** Gives back starts that are not due yet; one that may have been used stays. */
export function withoutStarts(ledger: StartLedger, nonces: ReadonlySet<string>, nowMs: number): StartLedger {
  const kept = (entries: readonly LedgerEntry[]) =>
    entries.filter(({ nonce, dueMs }) => dueMs <= nowMs || !nonces.has(nonce));
  return { ...ledger, login: kept(ledger.login), registration: kept(ledger.registration) };
}

/** Without what no window reaches back to; `windowsMs` are those of whoever draws on it now. */
export function pruned(ledger: StartLedger, nowMs: number, ...windowsMs: readonly number[]): StartLedger {
  const keepMs = Math.max(ledger.keepMs, ...windowsMs);
  const recent = (entries: readonly LedgerEntry[]) => entries.filter(({ dueMs }) => dueMs > nowMs - keepMs - 1);
  return { ...ledger, keepMs, login: recent(ledger.login), registration: recent(ledger.registration) };
}
