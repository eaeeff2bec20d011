import { fullAllowance, isFull, restMs, spend, type Allowance } from "./allowance.ts";
import type { Turns } from "./turns.ts";

/** One link's share of the hub's attention. */
export interface Inflow {
  spend(bytes: number): void;
  /** How long not to read, in milliseconds. */
  restMs(): number;
  after(delayMs: number, then: () => void): void;
  /** Calls `take` in turns with the work of others, until it returns false. */
  enter(take: () => boolean): void;
  leave(take: () => boolean): void;
}

const pruneAbove = 1_000;

/** Allowances by pod UID: a pod that dials anew has no new one. */
export class Inflows {
  readonly #turns: Turns;
  readonly #allowances = new Map<string, Allowance>();

  constructor(turns: Turns) {
    this.#turns = turns;
  }

  of(podUid: string): Inflow {
    const allowance = () => this.#allowances.get(podUid) ?? fullAllowance(performance.now());
    let timer: NodeJS.Timeout | undefined;
    return {
      spend: (bytes) => {
        this.#allowances.set(podUid, spend(allowance(), bytes, performance.now()));
        if (this.#allowances.size > pruneAbove) this.#prune();
      },
      restMs: () => restMs(allowance(), performance.now()),
      after: (delayMs, then) => {
        clearTimeout(timer);
        timer = setTimeout(then, delayMs);
      },
      enter: (take) => this.#turns.add(take),
      leave: (take) => {
        clearTimeout(timer);
        this.#turns.remove(take);
      },
    };
  }

  /** One that is full is as good as none. */
  #prune(): void {
    const nowMs = performance.now();
    for (const [podUid, allowance] of this.#allowances) if (isFull(allowance, nowMs)) this.#allowances.delete(podUid);
  }
}
