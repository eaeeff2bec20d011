import { causesOfFirstRelease, type SessionReport, type Welcome } from "@wa/schema";

/** A report in the words of the operator that hears it: it would refuse the link for a cause that it does not know. */
export function inWordsOf({ causes }: Pick<Welcome, "causes">, report: SessionReport): SessionReport {
  const known: readonly string[] = causes ?? causesOfFirstRelease;
  const { lastDisconnect } = report;
  if (lastDisconnect === undefined || known.includes(lastDisconnect.cause)) return report;
  const { cause, message } = lastDisconnect;
  const told = { ...lastDisconnect, cause: "Unknown" as const, message: `${cause}: ${message}` };
  return { ...report, lastDisconnect: told, ...(report.reason === cause && { reason: "Unknown" }) };
}
