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

/** A body, good to its checksum, that inflates to so many mebibytes of zeros; a thousandth of that on the wire. */
export function zipBomb(mebibytes: number): Buffer {
  const block = deflateRawSync(Buffer.alloc(mebibyte), { finishFlush: constants.Z_FULL_FLUSH });
  const blocks = Array.from({ length: mebibytes }, () => block);
  return Buffer.concat([Buffer.from([compressedFlag]), zlibHeader, ...blocks, lastBlock, checksum(mebibytes)]);
}

/** Adler-32 of zeros: its low half stays 1, so that the high half counts the bytes. */
function checksum(mebibytes: number): Buffer {
  const sum = Buffer.alloc(4);
  sum.writeUInt16BE((mebibytes * mebibyte) % adlerModulus, 0);
  sum.writeUInt16BE(1, 2);
  return sum;
}
