/**
 * No frame of WhatsApp's is near it, inflated or not. Nodes cost fifty times what they are written in: sixteen megabytes of the
 * smallest are 675 MB and eight seconds, and the end of every session of the process.
 */
export const frameCapBytes = 1024 * 1024;

const headerBytes = 3;

/** Follows the frames that arrive, whatever pieces they arrive in. */
export class FrameMeter {
  #headerLength = 0;
  #announcedBytes = 0;
  #toComeBytes = 0;

  /** Throws when more of one frame has come than the cap; one that is announced and does not come is the silence that it is. */
  take(piece: Uint8Array): void {
    for (let at = 0; at < piece.length;) {
      if (this.#toComeBytes === 0) {
        this.#header(piece[at] ?? 0);
        at += 1;
        continue;
      }
      const taken = Math.min(this.#toComeBytes, piece.length - at);
      this.#toComeBytes -= taken;
      at += taken;
      if (this.#announcedBytes - this.#toComeBytes > frameCapBytes)
        throw new Error(`a frame of ${this.#announcedBytes} bytes; the most that is read is ${frameCapBytes}`);
    }
  }

  #header(byte: number): void {
    this.#announcedBytes = (this.#headerLength === 0 ? 0 : this.#announcedBytes * 256) + byte;
    this.#headerLength = (this.#headerLength + 1) % headerBytes;
    if (this.#headerLength === 0) this.#toComeBytes = this.#announcedBytes;
  }
}
