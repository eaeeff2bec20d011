/** Work on the same things one after the other, within this process. */
export class Locks {
  readonly #last = new Map<string, Promise<unknown>>();

  /** @param names taken in one order by everybody, so that nobody waits for who waits for him */
  async hold<T>(names: readonly string[], work: () => Promise<T>): Promise<T> {
    const [name, ...others] = [...new Set(names)].toSorted();
    if (name === undefined) return await work();
    const before = this.#last.get(name) ?? Promise.resolve();
    const held = before.then(async () => await this.hold(others, work));
    const settled = held.catch(() => undefined);
    this.#last.set(name, settled);
    try {
      return await held;
    } finally {
      if (this.#last.get(name) === settled) this.#last.delete(name);
    }
  }
}
