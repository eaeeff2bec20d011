/**
 * Text of others (a phone, a session pod, the API server, WhatsApp) as a status, an Event or a log line may hold it: what a terminal would obey
 * instead of show is gone, line ends are spaces, half a character is the mark that a UTF-8 encoder makes of it. So what is wanted equals
 * what is stored, or a status would be written again at each look.
 */
export const printable = (text: string): string => text.toWellFormed().replace(lineEnds, " ").replace(obeyed, "");

const lineEnds = /[\t\n\v\f\r\u0085\u2028\u2029]+/gu;
/** Control characters, and those that turn the direction of what follows. Joiners stay: emoji and scripts need them. */
const obeyed = /[\p{Cc}\u202A-\u202E\u2066-\u2069]/gu;

/** {@link printable}, and no longer than `most` UTF-16 units, ending on a whole character. The API server counts code points, never more. */
export function clipped(text: string, most: number): string {
  const whole = printable(text);
  return whole.slice(0, isPair(whole, most) ? most - 1 : most);
}

const isPair = (text: string, at: number): boolean => (text.codePointAt(at - 1) ?? 0) > 0xff_ff && at > 0;

const mark = "…";

/** {@link printable}, and at most `mostBytes` bytes of UTF-8, ending on a whole character, with a mark where something is missing. */
export function clippedToBytes(text: string, mostBytes: number): string {
  const whole = printable(text);
  const bytes = Buffer.from(whole);
  if (bytes.length <= mostBytes) return whole;
  let end = mostBytes - Buffer.byteLength(mark);
  while (end > 0 && isContinuation(bytes[end] ?? 0)) end -= 1;
  return `${bytes.toString("utf8", 0, end)}${mark}`;
}

const isContinuation = (byte: number): boolean => (byte & 0xc0) === 0x80;
