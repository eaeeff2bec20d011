/** How long one turn of the event loop may go on with frames, in milliseconds; one frame may take longer. */
const turnMs = 10;

/**
 * Takes work of many in turns, one piece each, and lets the event loop go on between: whoever brings much waits for himself, and
 * the leader's own work never waits for long.
 */
export class Turns {
  /** In the order of their turns. */
  readonly #waiting = new Set<() => boolean>();
  #isDue = false;

  /** @param work does one piece; true: there is more */
  add(work: () => boolean): void {
    this.#waiting.add(work);
    this.#later();
  }

  remove(work: () => boolean): void {
    this.#waiting.delete(work);
  }

  #turn(): void {
    this.#isDue = false;
    const startedMs = performance.now();
    for (const work of this.#waiting) {
      this.#waiting.delete(work);
      if (work()) this.#waiting.add(work);
      if (performance.now() - startedMs >= turnMs) break;
    }
    if (this.#waiting.size > 0) this.#later();
  }

  #later(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(() => this.#turn());
  }
}
