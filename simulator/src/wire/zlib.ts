import { constants, deflateRawSync } from "node:zlib";

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
