/** An answer this much behind the clock is not a slow one: the server's clock was set back. */
const setBackMs = 60_000;

/**
 * The API server's clock, as an offset to a monotonic one, by the dates of its answers. A date is cut to its second and its
 * answer took time, so each says "at least": the highest bound is the closest. It does not fall with a later, weaker one: a
 * start that was used must never seem to lie ahead again.
 *
 * @param offsetMs what was known before
 * @param dateMs the answer's date, in milliseconds since the epoch
 * @param atMs when it came, by the monotonic clock
 */
export function offsetAfter(offsetMs: number | undefined, dateMs: number, atMs: number): number {
  const boundMs = dateMs - atMs;
  if (offsetMs === undefined || boundMs < offsetMs - setBackMs) return boundMs;
  return Math.max(offsetMs, boundMs);
}
