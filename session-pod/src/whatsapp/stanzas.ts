import type { BinaryNode } from "@whiskeysockets/baileys";
import type { InboxMessage } from "../sessions/ports.ts";

/** Which message a ciphertext belongs to. The library hands over the ciphertext alone. */
export interface Envelope extends Omit<InboxMessage, "plaintext"> {
  /** Of several ciphertexts in one message, only the last carries its content; those before it carry keys. */
  readonly isContent: boolean;
}

/** Ciphertexts of messages under way, by the very buffer that the library passes on. */
export class Envelopes {
  readonly #envelopes = new WeakMap<Uint8Array, Envelope>();

  remember(stanza: BinaryNode): void {
    const ciphertexts = (Array.isArray(stanza.content) ? stanza.content : [])
      .filter((child) => child.tag === "enc")
      .flatMap((child) => (child.content instanceof Uint8Array ? [child.content] : []));
    const head = headOf(stanza);
    for (const [index, ciphertext] of ciphertexts.entries())
      this.#envelopes.set(ciphertext, { ...head, isContent: index === ciphertexts.length - 1 });
  }

  of(ciphertext: Uint8Array): Envelope | undefined {
    return this.#envelopes.get(ciphertext);
  }
}

/** A message that another device of the same account sent has its chat in `recipient`. */
function headOf({ attrs }: BinaryNode): Omit<Envelope, "isContent"> {
  const from = attrs["from"] ?? "";
  return {
    messageId: attrs["id"] ?? "",
    chat: attrs["recipient"] ?? from,
    sender: attrs["participant"] ?? from,
    timestampMs: Number(attrs["t"] ?? 0) * 1_000,
  };
}

/** What kind of stanza it is, without anything that it says. */
export function outlineOf({ tag, attrs, content }: BinaryNode): { tag: string; type: string; child: string } {
  const child = Array.isArray(content) ? (content[0]?.tag ?? "") : "";
  return { tag, type: attrs["type"] ?? attrs["class"] ?? "", child };
}
