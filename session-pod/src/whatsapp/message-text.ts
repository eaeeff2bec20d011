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
