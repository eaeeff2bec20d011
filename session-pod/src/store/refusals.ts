import { DatabaseError } from "pg";
import { z } from "zod";

/**
 * PostgreSQL's classes of errors (its manual, appendix A) that come again however often the same row is written: data exception,
 * constraint, limit of the program. Class 42 is not among them: a missing table or right is an installation's fault, which
 * somebody mends, and no row's.
 */
const refusingClasses = new Set(["22", "23", "54"]);
/** SQLite's primary result codes alike (sqlite.org/rescode.html): TOOBIG, CONSTRAINT, MISMATCH. */
const refusingCodes = new Set([18, 19, 20]);
const SqliteError = z.object({ code: z.literal("ERR_SQLITE_ERROR"), errcode: z.int() });

/**
 * Whether the database will never take this row, so that trying again is no use. Anything else passes by itself or by
 * somebody's hand: connections, conflicts, resources, an operator's stop, files.
 */
export function isRefusal(error: unknown): boolean {
  if (error instanceof DatabaseError) return refusingClasses.has(error.code?.slice(0, 2) ?? "");
  const sqlite = SqliteError.safeParse(error);
  return sqlite.success && refusingCodes.has(sqlite.data.errcode & 0xff);
}
