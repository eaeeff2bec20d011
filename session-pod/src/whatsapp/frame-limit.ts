/**
 * No frame of WhatsApp's is near it, inflated or not. Nodes cost fifty times what they are written in: sixteen megabytes of the
 * smallest are 675 MB and eight seconds, and the end of every session of the process.
 */
export const frameCapBytes = 1024 * 1024;

const headerBytes = 3;

/** Follows the lengths of the frames that arrive, whatever pieces they arrive in. */
export class FrameMeter {
  #headerLength = 0;
  #announcedBytes = 0;
  #toComeBytes = 0;

  /** Throws as soon as a frame announces more than the cap, before any of it is kept. */
  take(piece: Uint8Array): void {
    for (let at = 0; at < piece.length;) {
      if (this.#toComeBytes > 0) {
        const skipped = Math.min(this.#toComeBytes, piece.length - at);
        this.#toComeBytes -= skipped;
        at += skipped;
        continue;
      }
      this.#header(piece[at] ?? 0);
      at += 1;
    }
  }

  #header(byte: number): void {
    this.#announcedBytes = this.#announcedBytes * 256 + byte;
    this.#headerLength += 1;
    if (this.#headerLength < headerBytes) return;
    const announced = this.#announcedBytes;
    [this.#headerLength, this.#announcedBytes, this.#toComeBytes] = [0, 0, announced];
    if (announced > frameCapBytes)
      throw new Error(`a frame of ${announced} bytes; the most that is read is ${frameCapBytes}`);
  }
}
