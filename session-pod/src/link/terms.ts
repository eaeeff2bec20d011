import type { HubFrame } from "@wa/schema";

/** Before any leader was heard. */
export const noTerm = -1;

/** Highest term after a frame; undefined: the frame is of a leader that was followed by another one, and counts no more. */
export function termAfter(highestTerm: number, frame: HubFrame): number | undefined {
  if (!("term" in frame)) return highestTerm;
  return frame.term < highestTerm ? undefined : frame.term;
}

/** Longer than any change of leaders. */
const stuckAfterMs = 120_000;
/** How often it is said again. */
const saidEveryMs = 60_000;

/**
 * Since when this pod has heard leaders of lower terms alone; instants are of a monotonic clock. The operator's terms never fall, so
 * such a leader is one that the pod will never follow: it has to say so, because its link never stands.
 */
export interface LowerTerms {
  readonly sinceMs?: number;
  readonly saidMs?: number;
}

/** @returns what to remember after such a frame, and for how long it has been so when that is worth an error; 0: it is not */
export function afterLowerTerm(
  { sinceMs, saidMs }: LowerTerms,
  nowMs: number,
): { readonly next: LowerTerms; readonly stuckForMs: number } {
  const since = sinceMs ?? nowMs;
  const stuckForMs = nowMs - since;
  if (stuckForMs < stuckAfterMs || nowMs - (saidMs ?? -Infinity) < saidEveryMs)
    return { next: { sinceMs: since, ...(saidMs !== undefined && { saidMs }) }, stuckForMs: 0 };
  return { next: { sinceMs: since, saidMs: nowMs }, stuckForMs };
}
