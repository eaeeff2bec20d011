import { proto } from "@whiskeysockets/baileys/WAProto/index.js";

/** A message without content, padded as the library expects it. */
export const emptyPadded: Uint8Array = new Uint8Array([1]);

/**
 * What the library gets of a message that is stored. A contact may encrypt any bytes; of those that it cannot decode it never
 * tells the server that they arrived, asks for them again, and gets them again at each login. So it gets an empty message.
 */
export function decodable(padded: Uint8Array): Uint8Array {
  const paddingBytes = padded.at(-1) ?? 0;
  if (paddingBytes === 0 || paddingBytes > padded.length) return emptyPadded;
  try {
    proto.Message.decode(padded.subarray(0, padded.length - paddingBytes));
    return padded;
  } catch {
    return emptyPadded;
  }
}
