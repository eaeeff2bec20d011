/**
 * What a pod may still say at once: bytes, where each frame counts for at least a kilobyte. It fills up with time. A pod that has
 * used it up is not read for a while, which its kernel and then the pod itself notice as a full connection; nothing is lost.
 */
export interface Allowance {
  /** Below nothing: to be waited for. */
  readonly bytes: number;
  /** When that was so, by a monotonic clock. */
  readonly atMs: number;
}

/** Enough for four thousand reports in a row: the largest session pod starts with half of that. */
export const mostBytes = 4 * 1024 * 1024;
/** Of reports, some 250 a second for as long as you like. */
const bytesPerSecond = 256 * 1024;
/** One large hello costs no more than this: a pod that is not read for longer than a few seconds would seem to be dead. */
const mostDebtBytes = 1024 * 1024;

export const fullAllowance = (nowMs: number): Allowance => ({ bytes: mostBytes, atMs: nowMs });

function filled({ bytes, atMs }: Allowance, nowMs: number): number {
  return Math.min(mostBytes, bytes + (Math.max(0, nowMs - atMs) / 1_000) * bytesPerSecond);
}

export function spend(allowance: Allowance, bytes: number, nowMs: number): Allowance {
  return { bytes: Math.max(-mostDebtBytes, filled(allowance, nowMs) - bytes), atMs: nowMs };
}

/** How long not to read, in milliseconds; 0: go on. */
export function restMs(allowance: Allowance, nowMs: number): number {
  return Math.ceil((Math.max(0, -filled(allowance, nowMs)) / bytesPerSecond) * 1_000);
}

export const isFull = (allowance: Allowance, nowMs: number): boolean => filled(allowance, nowMs) >= mostBytes;
