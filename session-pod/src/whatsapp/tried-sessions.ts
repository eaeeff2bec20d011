import { z } from "zod";

/** What matters here of a contact's record as the library stores it: its Signal sessions, by name. */
const Entry = z.looseObject({ indexInfo: z.looseObject({ used: z.number(), closed: z.number() }) });
const SessionRecord = z.looseObject({ _sessions: z.record(z.string(), Entry) });

/**
 * A message is tried on each session of its sender, the newest first, and the library stores what a try that failed did to a
 * session: it turned a ratchet by a key of another session, and what is sent on it later cannot be read. Of a record after a
 * message that was read, the session that read it is taken; the others are as before. Anything else is returned as it is.
 */
export function withoutFailedTries(before: unknown, after: unknown): unknown {
  const [old, next] = [SessionRecord.safeParse(before).data, SessionRecord.safeParse(after).data];
  if (old === undefined || next === undefined) return after;
  const isUsed = ([name, entry]: [string, z.infer<typeof Entry>]): boolean =>
    old._sessions[name]?.indexInfo.used !== entry.indexInfo.used;
  const entries = Object.entries(next._sessions);
  // Two messages within a millisecond leave no mark; then nothing tells which session it was.
  if (!entries.some(isUsed)) return after;
  const kept = entries.map(([name, entry]) => [name, isUsed([name, entry]) ? entry : (old._sessions[name] ?? entry)]);
  return { ...next, _sessions: Object.fromEntries(kept) };
}
