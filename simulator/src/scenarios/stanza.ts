import { z } from "zod";

/** Far beyond what real stanzas nest, and far below what a parser's stack takes. */
const deepest = 32;
const mostStanzas = 1_000;

/** A stanza as JSON: its content is a list of stanzas, a text, or bytes in base64. */
export interface Stanza {
  readonly tag: string;
  readonly attrs: Readonly<Record<string, string>>;
  readonly content?: StanzaContent;
  /** For who reads it; not sent. */
  readonly note?: string | undefined;
}

type Bytes = { readonly text: string } | { readonly base64: string };
type StanzaContent = readonly Stanza[] | Bytes | undefined;

/** As it is written: without attributes where it has none. */
export interface StanzaInput {
  readonly tag: string;
  readonly attrs?: Readonly<Record<string, string>> | undefined;
  readonly content?: readonly StanzaInput[] | Bytes | undefined;
  readonly note?: string | undefined;
}

const ofContent = "expected a list of stanzas, {text} or {base64}";
const Bytes: z.ZodType<StanzaContent, unknown> = z.union(
  [z.strictObject({ text: z.string() }), z.strictObject({ base64: z.base64() })],
  { error: ofContent },
);
const tooDeep: z.ZodType<StanzaContent, unknown> = z.array(z.never(`stanzas nest at most ${deepest} deep`));

/** A union would say of every fault that none of its forms fits: which of them is meant shows in the value. */
function contentAt(depth: number): z.ZodType<StanzaContent, StanzaInput["content"]> {
  const children = depth === deepest ? tooDeep : z.lazy(() => z.array(stanzaAt(depth + 1)));
  return z.custom<StanzaInput["content"]>().transform<StanzaContent>((value, context) => {
    const parsed = (Array.isArray(value) ? children : Bytes).safeParse(value);
    if (parsed.success) return parsed.data;
    for (const { message, path } of parsed.error.issues) context.addIssue({ code: "custom", message, path });
    return z.NEVER;
  });
}

const stanzaAt = (depth: number): z.ZodType<Stanza, StanzaInput> =>
  z.strictObject({
    tag: z.string().min(1),
    attrs: z.record(z.string(), z.string()).default({}),
    content: contentAt(depth).optional(),
    note: z.string().optional(),
  });

export const Stanza = stanzaAt(1);
export const Stanzas = z.array(Stanza).min(1).max(mostStanzas);
