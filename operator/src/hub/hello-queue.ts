import type { Link } from "./link.ts";

/** Hellos that are read at the same time; of those above {@link mostFrameBytes}, one. */
const mostAtOnce = 8;
/** From the first byte to the last. */
const helloWithinMs = 10_000;

interface Waiting<Key> {
  readonly key: Key;
  readonly open: () => Link;
}

/** After a change of leader all pods say everything at once; they are listened to a few at a time, in the order of coming. */
export class HelloQueue<Key = object> {
  #waiting: Waiting<Key>[] = [];
  readonly #reading = new Map<Key, NodeJS.Timeout>();
  /** The first one is read on, the others wait: to put sixteen megabytes together takes the event loop some 50 ms. */
  #large: { readonly key: Key; readonly goOn: () => void }[] = [];

  /** @param open makes the link and begins to read */
  enter(key: Key, open: () => Link): void {
    this.#waiting.push({ key, open });
    this.#next();
  }

  /** What it says is large. */
  enlarge(key: Key, goOn: () => void): void {
    this.#large.push({ key, goOn });
    if (this.#large[0]?.key === key) goOn();
  }

  /** Its hello has come, or it has gone. */
  leave(key: Key): void {
    const wasFirst = this.#large[0]?.key === key;
    this.#large = this.#large.filter((large) => large.key !== key);
    if (wasFirst) this.#large[0]?.goOn();
    this.#waiting = this.#waiting.filter((waiting) => waiting.key !== key);
    clearTimeout(this.#reading.get(key));
    if (this.#reading.delete(key)) this.#next();
  }

  close(): void {
    this.#waiting = [];
    for (const timer of this.#reading.values()) clearTimeout(timer);
  }

  #next(): void {
    while (this.#reading.size < mostAtOnce) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      const link = next.open();
      this.#reading.set(
        next.key,
        setTimeout(() => {
          link.drop();
          this.leave(next.key);
        }, helloWithinMs),
      );
    }
  }
}
