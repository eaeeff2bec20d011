import { isSame } from "../kube/patch.ts";
import type { Refusal } from "../plan/refusals.ts";

/** The API server's no to one act. */
export interface Answer extends Refusal {
  /** It refuses what was asked, whenever it is asked; else it may be a moment's: a failure of its own, of a webhook, of etcd. */
  readonly isFinal: boolean;
}

/** A failure of the API server is told once it came this often in a row, for this long: a restart of etcd is no news. */
const leastTries = 3;
const leastMs = 5_000;
/** Acts are repeated at least every few minutes; what nobody tries any more is forgotten. */
const forgottenAfterMs = 15 * 60_000;

interface Row {
  readonly count: number;
  readonly sinceMs: number;
  readonly lastMs: number;
}

/** What the API server refuses, by object: passing failures are counted, the others stand until an act succeeds. */
export class Refusals {
  readonly #rows = new Map<string, Row>();
  readonly #standing = new Map<string, Refusal>();

  get standing(): ReadonlyMap<string, Refusal> {
    return this.#standing;
  }

  /** `answer`: undefined when the act was done. True: another refusal stands now, or none any more. */
  answered(key: string, answer: Answer | undefined, nowMs: number): boolean {
    this.#forgetOld(nowMs);
    if (answer === undefined) {
      this.#rows.delete(key);
      return this.#standing.delete(key);
    }
    const before = this.#rows.get(key);
    const row = { count: (before?.count ?? 0) + 1, sinceMs: before?.sinceMs ?? nowMs, lastMs: nowMs };
    this.#rows.set(key, row);
    const stands = answer.isFinal || (row.count >= leastTries && nowMs - row.sinceMs >= leastMs);
    const known = this.#standing.get(key);
    if (!stands && known === undefined) return false;
    const { verb, message } = answer;
    this.#standing.set(key, { verb, message });
    return !isSame(known, { verb, message });
  }

  #forgetOld(nowMs: number): void {
    for (const [key, { lastMs }] of this.#rows)
      if (nowMs - lastMs > forgottenAfterMs) {
        this.#rows.delete(key);
        this.#standing.delete(key);
      }
  }
}
