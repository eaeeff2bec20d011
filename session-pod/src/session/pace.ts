const hourMs = 3_600_000;
/** More starts than these in an hour, and the rest of them is spread over what is left of it. */
const freeStarts = 60;
/** No device starts more often in any hour. A peer that closes each connection after 58 s (public reports of proxies) needs 62. */
export const mostStartsAnHour = 70;

/** @param startsMs starts of one device, oldest first; any clock, the same for both arguments */
export const startsInHour = (startsMs: readonly number[], nowMs: number): readonly number[] =>
  startsMs.filter((startMs) => startMs > nowMs - hourMs).slice(-mostStartsAnHour);

/** When the next start may be: at once for a while, then the more slowly the fewer are left of the hour. */
export function nextStartMs(startsMs: readonly number[], nowMs: number): number {
  const starts = startsInHour(startsMs, nowMs);
  const [oldestMs] = starts;
  const newestMs = starts.at(-1);
  if (oldestMs === undefined || newestMs === undefined || starts.length < freeStarts) return nowMs;
  const left = mostStartsAnHour - starts.length;
  return Math.max(nowMs, newestMs + (oldestMs + hourMs - newestMs) / (left + 1));
}

/** So many connections were tried that each of them must have ended soon. */
export const isFlapping = (startsMs: readonly number[], nowMs: number): boolean =>
  startsInHour(startsMs, nowMs).length >= freeStarts;
