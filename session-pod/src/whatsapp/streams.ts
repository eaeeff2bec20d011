import type { Duplex } from "node:stream";

/** The TCP or TLS streams of one socket: to hold back what it writes, and to cut it. */
export class Streams {
  readonly #streams = new Set<Duplex>();
  #isCut = false;

  add(stream: Duplex): void {
    if (this.#isCut) {
      stream.destroy();
      return;
    }
    this.#streams.add(stream);
    stream.once("close", () => this.#streams.delete(stream));
  }

  /** Nothing leaves until the returned function is called; calls nest. */
  holdBack(): () => void {
    const held = [...this.#streams];
    for (const stream of held) stream.cork();
    return () => {
      for (const stream of held) stream.uncork();
    };
  }

  /** What was held back is dropped, not sent. */
  cut(): void {
    this.#isCut = true;
    for (const stream of this.#streams) stream.destroy();
  }
}
