import { constants, deflateRawSync, deflateSync } from "node:zlib";

/** The flag of a compressed frame's body; its zlib stream follows. */
const compressedFlag = 2;
const zlibHeader = Buffer.from([0x78, 0x9c]);
/** A last block without content. */
const lastBlock = Buffer.from([0x03, 0x00]);
const mebibyte = 2 ** 20;
const adlerModulus = 65_521;

/** A body that says it is compressed and whose stream has a block of a kind that does not exist. */
export const brokenZlib = (): Buffer =>
  Buffer.concat([Buffer.from([compressedFlag]), zlibHeader, Buffer.alloc(64, 0xff)]);

/** A body that inflates to so many mebibytes of zeros. */
export const zipBomb = (mebibytes: number): Buffer =>
  Buffer.concat([Buffer.from([compressedFlag]), zlibWithZeros(Buffer.alloc(0), mebibytes)]);

/** Of the binary node format: lists with a length of one byte and of two, and any tag of the dictionary. */
const list8 = 0xf8;
const list16 = 0xf9;
const tag = 0x13;
const mostInList = 65_535;

/** A node in the format's fewest bytes: a list of its tag alone. */
const smallestNode = Buffer.from([list8, 1, tag]);

/** A tag, and children of which there are so many. */
const withChildren = (count: number, children: Buffer): Buffer =>
  Buffer.concat([Buffer.from([list8, 2, tag, list16, count >> 8, count & 0xff]), children]);

/** A body that inflates to one stanza of so many nodes of three bytes each: few bytes, and many objects to whoever decodes them. */
export function nodeBomb(nodes: number): Buffer {
  const full = Math.floor(nodes / mostInList);
  const parts = Array.from({ length: full }, () => mostInList).concat(nodes % mostInList || []);
  const bodies = parts.map((count) => withChildren(count, Buffer.alloc(count * smallestNode.length, smallestNode)));
  const body = withChildren(bodies.length, Buffer.concat(bodies));
  return Buffer.concat([Buffer.from([compressedFlag]), deflateSync(body)]);
}

/** A zlib stream, good to its checksum, of some bytes and mebibytes of zeros; the zeros take a thousandth of their size. */
export function zlibWithZeros(start: Uint8Array, mebibytes: number): Buffer {
  const flushed = (bytes: Uint8Array): Buffer => deflateRawSync(bytes, { finishFlush: constants.Z_FULL_FLUSH });
  const block = flushed(Buffer.alloc(mebibyte));
  const blocks = Array.from({ length: mebibytes }, () => block);
  return Buffer.concat([zlibHeader, flushed(start), ...blocks, lastBlock, checksum(start, mebibytes * mebibyte)]);
}

/** Adler-32; of zeros, each adds its low half to its high half. */
function checksum(start: Uint8Array, zeros: number): Buffer {
  let [low, high] = [1, 0];
  for (const byte of start) {
    low = (low + byte) % adlerModulus;
    high = (high + low) % adlerModulus;
  }
  const sum = Buffer.alloc(4);
  sum.writeUInt16BE(Number((BigInt(high) + BigInt(low) * BigInt(zeros)) % BigInt(adlerModulus)), 0);
  sum.writeUInt16BE(low, 2);
  return sum;
}
