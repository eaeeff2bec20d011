/**
 * Some pieces of work at a time, those of one key in the order they came: whoever is slow holds up a lane and those of the same
 * key, and nobody else.
 */
export class Lanes {
  readonly #most: number;
  readonly #lastOf = new Map<string, Promise<void>>();
  readonly #waiting: (() => void)[] = [];
  #busy = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** @param work never rejects */
  run(key: string, work: () => Promise<void>): void {
    const before = this.#lastOf.get(key) ?? Promise.resolve();
    const mine = before.then(async () => await this.#inLane(work));
    this.#lastOf.set(key, mine);
    void mine.then(() => {
      if (this.#lastOf.get(key) === mine) this.#lastOf.delete(key);
    });
  }

  async #inLane(work: () => Promise<void>): Promise<void> {
    if (this.#busy >= this.#most) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#busy += 1;
    await work();
    // Whoever waits takes over the lane.
    const next = this.#waiting.shift();
    if (next === undefined) this.#busy -= 1;
    else next();
  }
}
