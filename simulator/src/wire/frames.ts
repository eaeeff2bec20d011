/** Frames of the byte stream: a 3-byte big-endian length before each payload; a WebSocket message may hold parts of several. */
const lengthBytes = 3;
const prologueBytes = 4;
const routingHeaderBytes = 7;

export interface Received {
  /** Set once: the edge-routing bytes that a client sends back before its prologue. */
  readonly routingInfo?: Buffer;
  readonly frames: readonly Buffer[];
}

export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

export function frame(payload: Uint8Array): Buffer {
  const head = Buffer.alloc(lengthBytes);
  head.writeUIntBE(payload.length, 0, lengthBytes);
  return Buffer.concat([head, payload]);
}

/** A length and too little after it: of a frame, or of the WebSocket message around frames. */
export function announced(layer: "frame" | "websocket", length: number, start: Uint8Array): Buffer {
  if (layer === "frame") {
    const head = Buffer.alloc(lengthBytes);
    head.writeUIntBE(length, 0, lengthBytes);
    return Buffer.concat([head, start]);
  }
  const head = Buffer.alloc(10);
  head.writeUInt8(0x82, 0); // the last part of a binary message
  head.writeUInt8(127, 1); // eight bytes of length follow
  head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, start]);
}

/** Collects bytes of one connection; the first call that has enough of them takes the prologue `WA 06 03` off. */
export class FrameReader {
  #bytes: Buffer = Buffer.alloc(0);
  #hasPrologue = false;

  push(chunk: Uint8Array): Received {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    const routingInfo = this.#hasPrologue ? undefined : this.#takePrologue();
    const frames = this.#hasPrologue ? this.#takeFrames() : [];
    return routingInfo === undefined ? { frames } : { routingInfo, frames };
  }

  #takePrologue(): Buffer | undefined {
    let start = 0;
    let routingInfo: Buffer | undefined;
    if (this.#bytes.subarray(0, 2).toString("latin1") === "ED") {
      if (this.#bytes.length < routingHeaderBytes) return undefined;
      start = routingHeaderBytes + this.#bytes.readUIntBE(4, 3);
      routingInfo = this.#bytes.subarray(routingHeaderBytes, start);
    }
    if (this.#bytes.length < start + prologueBytes) return undefined;
    const prologue = this.#bytes.subarray(start, start + prologueBytes);
    if (prologue.toString("latin1", 0, 2) !== "WA" || prologue[2] !== 6)
      throw new ProtocolError(`prologue is ${prologue.toString("hex")}, expected 574106xx`);
    this.#bytes = this.#bytes.subarray(start + prologueBytes);
    this.#hasPrologue = true;
    return routingInfo;
  }

  #takeFrames(): Buffer[] {
    const frames: Buffer[] = [];
    while (this.#bytes.length >= lengthBytes) {
      const end = lengthBytes + this.#bytes.readUIntBE(0, lengthBytes);
      if (this.#bytes.length < end) break;
      frames.push(this.#bytes.subarray(lengthBytes, end));
      this.#bytes = this.#bytes.subarray(end);
    }
    return frames;
  }
}
