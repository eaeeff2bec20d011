/** A pod of an older release kept every start that it had made alone, up to a hundred thousand of them: some 13 MB. */
export const mostHelloBytes = 16 * 1024 * 1024;
/** Everything else: a grant request for a thousand devices with the longest names takes half of it. */
export const mostFrameBytes = 1024 * 1024;
/** A hello without its starts. Five hundred sessions take about 400 kB. */
const mostReportBytes = 2 * 1024 * 1024;
/** Of the starts the newest, some four thousand: more than any window holds. */
const mostStartBytes = 512 * 1024;

/** Commas, colons and brackets: a thousand sessions with every field have about 80,000, four thousand starts 50,000. */
const mostMarks = 150_000;
const mostDepth = 16;

export type Checked =
  | { readonly success: true; readonly text: string }
  | { readonly success: false; readonly fault: string };

/**
 * A frame's text, if parsing it costs little. The time and memory that JSON takes go by its values, not by its bytes: two megabytes of
 * brackets take a third of a second, and as many of text a few milliseconds.
 */
export function checkedText(data: Buffer): Checked {
  const rest = withoutOldStarts(data);
  if (rest.length > mostReportBytes + mostStartBytes)
    return { success: false, fault: `larger than ${mostReportBytes} bytes without the starts that it tells` };
  const fault = costOf(rest);
  return fault === undefined ? { success: true, text: rest.toString("utf8") } : { success: false, fault };
}

const startsKey = Buffer.from(',"selfGranted":[');
const between = Buffer.from("},{");

/** Pods write the list last, the oldest start first. Inside a text its quotes would be escaped. */
function withoutOldStarts(data: Buffer): Buffer {
  if (data.length <= mostStartBytes) return data;
  const key = data.lastIndexOf(startsKey);
  const start = key + startsKey.length;
  if (key < 0 || data.length - start <= mostStartBytes) return data;
  const cut = data.indexOf(between, data.length - mostStartBytes);
  return cut < 0 ? data : Buffer.concat([data.subarray(0, start), data.subarray(cut + between.length - 1)]);
}

const quote = 0x22;
const backslash = 0x5c;
/** What each byte does to the depth, and whether it counts. */
const steps = new Int8Array(256);
const marksOf = new Uint8Array(256);
for (const [char, step, mark] of [
  ["[", 1, 1],
  ["{", 1, 1],
  ["]", -1, 0],
  ["}", -1, 0],
  [",", 0, 1],
  [":", 0, 1],
] as const) {
  steps[char.charCodeAt(0)] = step;
  marksOf[char.charCodeAt(0)] = mark;
}

/** Looks at nothing but what stands outside of texts; whether it is JSON, the parser says. */
function costOf(data: Buffer): string | undefined {
  let depth = 0;
  let marks = 0;
  for (let at = 0; at < data.length; at++) {
    const byte = data[at] ?? 0;
    if (byte === quote) at = endOfText(data, at);
    depth += steps[byte] ?? 0;
    marks += marksOf[byte] ?? 0;
    if (depth > mostDepth) return `nested deeper than ${mostDepth}`;
    if (marks > mostMarks) return `more than ${mostMarks} fields and items`;
  }
  return undefined;
}

function endOfText(data: Buffer, start: number): number {
  let at = start + 1;
  while (at < data.length && data[at] !== quote) at += data[at] === backslash ? 2 : 1;
  return at;
}
