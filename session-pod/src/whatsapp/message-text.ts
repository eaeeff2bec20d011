import { proto } from "@whiskeysockets/baileys/WAProto/index.js";

/** Wrappers around a message (vanishing ones, a copy of what another of the account's devices sent) may be nested. */
const deepest = 5;

/** The text of an encoded WAProto Message, or undefined where it has none (a picture, a reaction). Throws on bytes that are no message. */
export function messageText(plaintext: Uint8Array): string | undefined {
  let message: proto.IMessage | null | undefined = proto.Message.decode(plaintext);
  for (let depth = 0; message && depth < deepest; depth += 1) {
    const text = message.conversation ?? message.extendedTextMessage?.text;
    if (typeof text === "string") return text;
    message = message.deviceSentMessage?.message ?? message.ephemeralMessage?.message;
  }
  return undefined;
}

export interface Readable {
  /** null: a message without text, or none at all. */
  readonly text: string | null;
  /** Why there is nothing to read, where that is no message's nature. */
  readonly fault?: string;
}

/** As {@link messageText}, for readers of many: a contact may have encrypted any bytes, and those after him want to be read too. */
export function readableText(plaintext: Uint8Array): Readable {
  try {
    return { text: messageText(plaintext) ?? null };
  } catch {
    // Also what is nested so deep that the decoder's own calls end.
    return { text: null, fault: "its content is no message of WhatsApp's" };
  }
}
