import { randomBytes, randomInt } from "node:crypto";

const lengthDelimited = 2;
const messageField = 4;

/** The number at a place of a protobuf, and where it ends. */
function varint(bytes: Buffer, start: number): { value: number; end: number } {
  let value = 0;
  for (let end = start; ; end += 1) {
    const byte = bytes.readUInt8(end);
    value += (byte & 0x7f) * 2 ** (7 * (end - start));
    if (byte < 0x80) return { value, end: end + 1 };
  }
}

/** Where the message ends that a first message (PreKeySignalMessage) wraps. */
function wrappedEnd(bytes: Buffer): number {
  for (let place = 1; place < bytes.length;) {
    const tag = varint(bytes, place);
    const content = varint(bytes, tag.end);
    const isBytes = tag.value % 8 === lengthDelimited;
    place = isBytes ? content.end + content.value : content.end;
    if (isBytes && Math.floor(tag.value / 8) === messageField) return place;
  }
  throw new Error("a first message wraps no message");
}

/** A ciphertext of the ratchet whose authentication code is wrong: of right form, and nobody can read it. */
export function spoiled(type: "pkmsg" | "msg", ciphertext: Buffer): Buffer {
  const bytes = Buffer.from(ciphertext);
  const last = (type === "pkmsg" ? wrappedEnd(bytes) : bytes.length) - 1;
  bytes.writeUInt8(bytes.readUInt8(last) ^ 1, last);
  return bytes;
}

const senderKeyVersion = 0x33;
const bodyBytes = 64;
const signatureBytes = 64;

/** A group's message as Signal frames it (SenderKeyMessage), under a key that nobody was given. */
export function unknownSenderKeyMessage(): Buffer {
  const idAndIteration = [0x08, randomInt(1, 128), 0x10, 0];
  const head = Buffer.from([senderKeyVersion, ...idAndIteration, 0x1a, bodyBytes]);
  return Buffer.concat([head, randomBytes(bodyBytes), randomBytes(signatureBytes)]);
}
