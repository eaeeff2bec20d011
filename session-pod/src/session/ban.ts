const secondMs = 1_000;
const hourMs = 3_600_000;
/** Without an end that makes sense, a temporary ban is taken to last this long. */
const banWithoutEndMs = hourMs;
/** WhatsApp's are of hours and days (whatsmeow's TempBanReason). */
const longestBanMs = 366 * 24 * hourMs;
/** After a ban that was over by the server's word and was not, at least so long. */
export const repeatedBanMs = 5 * 60 * secondMs;

/**
 * How long a temporary ban lasts from now. `expire` is seconds to go; some servers and libraries have read or written it as
 * seconds, or milliseconds, since 1970. What lies in the past or further than a year ahead tells nothing: an hour then.
 */
export function banMs(expire: string | undefined, nowMs: number): number {
  const value = /^\d{1,15}$/.test(expire ?? "") ? Number(expire) : Number.NaN;
  const readings = [value * secondMs, value * secondMs - nowMs, value - nowMs];
  return readings.find((lastsMs) => lastsMs > 0 && lastsMs <= longestBanMs) ?? banWithoutEndMs;
}
