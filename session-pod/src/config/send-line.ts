import { z } from "zod";
import { Recipient } from "./recipient.ts";

const SendLine = z.strictObject({
  send: z.strictObject({
    to: Recipient,
    text: z.string("a text").min(1, "a text").max(65_536, "at most 65536 characters"),
  }),
});

/** A line of standard input. Throws with what is wrong and what is allowed, but without the number and the text. */
export function parseSendLine(line: string): { readonly to: string; readonly text: string } {
  const parsed = SendLine.safeParse(readJson(line));
  if (!parsed.success) {
    const faults = parsed.error.issues.map(({ path, message }) => `${path.join(".") || "the line"}: ${message}`);
    throw new Error(`${faults.join("; ")}; allowed: {"send": {"to": "+33612345678", "text": "Hello"}}`);
  }
  return parsed.data.send;
}

function readJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
