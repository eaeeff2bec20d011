import { z } from "zod";
import type { LedgerEntry, StartLedger } from "./start-ledger.ts";

/**
 * A ledger as text of an annotation. An operator of the first release reads and writes it too: it knows `dueMs` and `nonce` alone and
 * leaves out the rest, so pool and kind of an entry stand within its nonce.
 */
const Entries = z.array(z.object({ dueMs: z.number(), nonce: z.string(), lateMs: z.number().min(0).default(0) }));
const Stored = z.object({
  login: Entries,
  registration: Entries,
  closedUntilMs: z.number(),
  keepMs: z.number().min(0).default(0),
  pools: z.record(z.string(), z.number()).default({}),
});

const written = /^(?<pool>[\w-]{10})(?<mark>[.~])(?<nonce>[\w-]{1,12})$/;
const longestForeignNonce = 8;

/** Undefined: nobody can read it. */
export function ledgerOf(text: string | undefined): StartLedger | undefined {
  try {
    const { data } = Stored.safeParse(JSON.parse(text ?? ""));
    return data && { ...data, login: data.login.map(entryOf), registration: data.registration.map(entryOf) };
  } catch {
    return undefined;
  }
}

/** Nobody gives back a grant of an operator that is gone: of its nonce only so much is kept as takes little room. */
function entryOf({ dueMs, nonce: text, lateMs }: z.infer<typeof Entries>[number]): LedgerEntry {
  const { pool = "", mark = ".", nonce = text.slice(0, longestForeignNonce) } = written.exec(text)?.groups ?? {};
  return { dueMs, nonce, pool, isTold: mark === "~", lateMs };
}

export function textOf(ledger: StartLedger): string {
  return JSON.stringify({ ...ledger, login: ledger.login.map(stored), registration: ledger.registration.map(stored) });
}

const stored = ({ dueMs, nonce, pool, isTold, lateMs }: LedgerEntry) => ({
  dueMs,
  nonce: pool === "" ? nonce : `${pool}${isTold ? "~" : "."}${nonce}`,
  ...(lateMs > 0 && { lateMs }),
});
