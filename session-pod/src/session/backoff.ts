/** A connection that was open for so long, and for longer than the wait before it, worked: its end is the first failure. */
const workedAfterMs = 10_000;

export const hasWorked = (openForMs: number, lastDelayMs: number): boolean =>
  openForMs >= workedAfterMs && openForMs >= lastDelayMs;

/**
 * Wait before the next attempt: base doubled for each failure, at most `maxMs`, and of that a random half to the whole, so
 * that devices that fell together do not rise together.
 *
 * @param failures failed attempts in a row, from 1
 * @param random number in [0, 1)
 */
export function backoffMs(
  failures: number,
  limits: { readonly baseMs: number; readonly maxMs: number },
  random: number,
): number {
  const ceilingMs = Math.min(limits.maxMs, limits.baseMs * 2 ** Math.max(0, failures - 1));
  return Math.round(ceilingMs * (0.5 + random / 2));
}
