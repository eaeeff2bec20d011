import { createHash } from "node:crypto";
import type { BinaryNode } from "@whiskeysockets/baileys";
import type { InboxMessage } from "../sessions/ports.ts";
import { aliasesIn } from "./aliases.ts";

/** Which message a ciphertext belongs to. The library hands over the ciphertext alone. */
export interface Envelope extends Omit<InboxMessage, "plaintext"> {
  /** Of several ciphertexts in one message, only the last carries its content; those before it carry keys. */
  readonly isContent: boolean;
  /** A note of the own phone's to its devices, which is no message to anybody. */
  readonly isPeer: boolean;
}

/** Ciphertexts of messages under way, by the very buffer that the library passes on. */
export class Envelopes {
  readonly #envelopes = new WeakMap<Uint8Array, Envelope>();

  /**
   * @param nowMs when the stanza arrived, in milliseconds since 1970
   * @returns the envelope of its content
   */
  remember(stanza: BinaryNode, nowMs = Date.now()): Envelope {
    const ciphertexts = (Array.isArray(stanza.content) ? stanza.content : [])
      .filter((child) => child.tag === "enc")
      .flatMap((child) => (child.content instanceof Uint8Array ? [child.content] : []));
    const head = headOf(stanza, ciphertexts, nowMs);
    for (const [index, ciphertext] of ciphertexts.entries())
      this.#envelopes.set(ciphertext, { ...head, isContent: index === ciphertexts.length - 1 });
    return { ...head, isContent: true };
  }

  of(ciphertext: Uint8Array): Envelope | undefined {
    return this.#envelopes.get(ciphertext);
  }
}

/**
 * All that is taken from a stanza's attributes, which the server and the sender's client choose. A message that another device
 * of the same account sent has its chat in `recipient`. Names go on as they are; what no database holds of them is the store's
 * to say.
 */
function headOf(stanza: BinaryNode, ciphertexts: readonly Uint8Array[], nowMs: number): Omit<Envelope, "isContent"> {
  const { attrs } = stanza;
  const from = attrs["from"] ?? "";
  const id = attrs["id"] ?? "";
  return {
    messageId: id === "" ? idOf(ciphertexts) : id,
    chat: attrs["recipient"] ?? from,
    sender: attrs["participant"] ?? from,
    timestampMs: timeOf(attrs["t"], nowMs),
    isPeer: attrs["category"] === "peer",
    ...aliasesIn(stanza),
  };
}

/** Two messages without an id would be taken for one message that comes twice. */
function idOf(ciphertexts: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const ciphertext of ciphertexts) hash.update(ciphertext);
  return `no-id-${hash.digest("hex").slice(0, idDigits)}`;
}

const idDigits = 32;
/** WhatsApp is not older. */
const earliestMs = Date.UTC(2009, 0, 1);
/** For clocks that differ; TLS works with no larger difference. */
const aheadMs = 86_400_000;

/** Seconds since 1970 as the server writes them; for anything that cannot be the message's time, that of its arrival. */
function timeOf(seconds: string | undefined, nowMs: number): number {
  const sentMs = /^\d{1,12}$/.test(seconds ?? "") ? Number(seconds) * 1_000 : Number.NaN;
  return sentMs >= earliestMs && sentMs <= nowMs + aheadMs ? sentMs : nowMs;
}

/** What kind of stanza it is, without anything that it says. */
export function outlineOf({ tag, attrs, content }: BinaryNode): { tag: string; type: string; child: string } {
  const child = Array.isArray(content) ? (content[0]?.tag ?? "") : "";
  return { tag, type: attrs["type"] ?? attrs["class"] ?? "", child };
}
