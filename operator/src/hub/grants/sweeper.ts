import type { Logger } from "pino";
import type { LedgerBooks, SteadyClock } from "./ledger-books.ts";
import { isSpent } from "./start-ledger.ts";

export interface SweeperOptions {
  readonly books: Pick<LedgerBooks, "names" | "removeIf">;
  readonly clock: Pick<SteadyClock, "nowMs">;
  readonly logger: Logger;
  /** Names of the ledgers that a status or a link names now. */
  readonly named: () => ReadonlySet<string>;
}

/** Nobody can read since when an unreadable ledger is one: it stays for as long as this once it is nobody's. */
const unreadableForMs = 3_600_000;

/**
 * Removes start ledgers that nobody needs: no endpoint's status names the address, and the newest entry is older than the longest
 * window, by whatever leader's clock.
 */
export class Sweeper {
  readonly #options: SweeperOptions;
  /** Unreadable ones that nobody names, and since when. */
  readonly #unreadableMs = new Map<string, number>();

  constructor(options: SweeperOptions) {
    this.#options = options;
  }

  /** @returns names of what is gone */
  async sweep(): Promise<string[]> {
    const { books, named, logger } = this.#options;
    const removed: string[] = [];
    for (const name of await books.names()) {
      if (named().has(name)) continue;
      // Asked again under the ledger's lock: an endpoint may have come to name it meanwhile.
      const isRemoved = await books.removeIf(name, (ledger, nowMs) => {
        if (named().has(name)) return false;
        return ledger === undefined ? this.#isLongUnreadable(name, nowMs) : isSpent(ledger, nowMs);
      });
      if (isRemoved) removed.push(name);
    }
    if (removed.length > 0) logger.info({ ledgers: removed.length }, "start ledgers removed that nobody needs");
    return removed;
  }

  #isLongUnreadable(name: string, nowMs: number): boolean {
    const sinceMs = this.#unreadableMs.get(name) ?? nowMs;
    this.#unreadableMs.set(name, sinceMs);
    return nowMs - sinceMs >= unreadableForMs;
  }
}
