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

/** One answer: its date in milliseconds since the epoch, cut to the second, and when it was asked for and came by the monotonic clock. */
export interface DatedAnswer {
  readonly dateMs: number;
  readonly sentMs: number;
  readonly receivedMs: number;
}

/** Where the API server's clock was seen to stand, as offsets to the monotonic one, and when it was last seen elsewhere. */
export interface ClockWatch {
  readonly lowestMs: number;
  readonly highestMs: number;
  /** By the monotonic clock; undefined: it never stepped. */
  readonly steppedAtMs: number | undefined;
}

/** More than a date's second and some drift. */
const stepMs = 2_000;
const dateStepMs = 1_000;

/**
 * Notices when the API server's clock steps away from the monotonic one: when an answer's date lies outside of all that the
 * server's clock has shown so far. Of several API servers with clocks of their own each is news once, and not with every answer.
 */
export function watchAfter(watch: ClockWatch | undefined, { dateMs, sentMs, receivedMs }: DatedAnswer): ClockWatch {
  const [leastMs, mostMs] = [dateMs - receivedMs, dateMs + dateStepMs - sentMs];
  if (watch === undefined) return { lowestMs: leastMs, highestMs: mostMs, steppedAtMs: undefined };
  const { lowestMs, highestMs, steppedAtMs } = watch;
  const hasStepped = leastMs > highestMs + stepMs || mostMs < lowestMs - stepMs;
  if (hasStepped)
    return {
      lowestMs: Math.min(lowestMs, mostMs),
      highestMs: Math.max(highestMs, leastMs),
      steppedAtMs: receivedMs,
    };
  // The quickest answers say the most, as long as they are all of one clock.
  if (steppedAtMs !== undefined) return watch;
  return { lowestMs: Math.max(lowestMs, leastMs), highestMs: Math.min(highestMs, mostMs), steppedAtMs };
}
