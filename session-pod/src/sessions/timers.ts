/** Named timers of one session: setting one replaces it, and none keeps the process alive. */
export class Timers<Name extends string> {
  readonly #timers = new Map<Name, NodeJS.Timeout>();

  set(name: Name, delayMs: number, work: () => void): void {
    this.clear(name);
    const timer = setTimeout(
      () => {
        this.#timers.delete(name);
        work();
      },
      Math.min(delayMs, longestDelayMs),
    );
    timer.unref();
    this.#timers.set(name, timer);
  }

  clear(...names: readonly Name[]): void {
    for (const name of names) {
      clearTimeout(this.#timers.get(name));
      this.#timers.delete(name);
    }
  }

  clearAll(): void {
    this.clear(...this.#timers.keys());
  }
}

/** What `setTimeout` takes at most; a longer delay would fire at once. */
const longestDelayMs = 2 ** 31 - 1;
