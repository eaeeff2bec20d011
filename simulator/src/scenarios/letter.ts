import { z } from "zod";
import { Stanza } from "./stanza.ts";

/** What a peer's message is on the wire. */
const forms = [
  "usual",
  "undecryptable",
  "group-without-key",
  "unavailable",
  "view-once",
  "bot",
  "newsletter",
  "unknown",
] as const;
export type Form = (typeof forms)[number];

/** What `POST /phone/message` takes: a message, encrypted by the peer's own ratchet, and how it differs from the usual. */
export const Letter = z
  .strictObject({
    text: z.string().optional(),
    message: z.record(z.string(), z.unknown()).optional().describe("WAProto's Message as JSON, in place of a text."),
    base64: z.base64().optional().describe("Bytes in place of a message; they need not be one."),
    form: z.enum(forms).default("usual"),
    times: z
      .int()
      .min(1)
      .max(100)
      .optional()
      .describe("How many copies have the form; later ones are usual. Absent: all."),
    attrs: z
      .record(z.string(), z.string().nullable())
      .default({})
      .describe("Attributes beside and in place of the usual ones, id and t among them; null takes one away."),
    content: z.array(Stanza).max(100).optional().describe("Children beside the usual ones, such as <meta>."),
  })
  .refine(({ text, message, base64 }) => [text, message, base64].filter((each) => each !== undefined).length === 1, {
    error: "expected one of text, message and base64",
  });
export type Letter = z.infer<typeof Letter>;
