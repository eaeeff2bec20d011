import type { Budget, Draw } from "../links.ts";
import { LedgerRaceError, type Found, type LedgerLeases } from "./ledger-leases.ts";
import { Locks } from "./locks.ts";
import { emptyLedger, joined, longestWindowMs, readAt, type Claim, type StartLedger } from "./start-ledger.ts";

/** The clock that ledgers are kept by: it never steps while this process lives. */
export interface SteadyClock {
  readonly nowMs: () => number;
  /** When the API server's clock was last seen to step away from it; undefined: it never did. */
  readonly steppedAtMs: () => number | undefined;
}

/** A ledger that is open for one change, and who makes it. */
export interface Book {
  readonly name: string;
  readonly claim: Claim;
  readonly ledger: StartLedger;
}

export interface Change<T> {
  /** The books as they shall be written, or undefined where nothing changes. */
  readonly books: readonly Book[] | undefined;
  readonly result: T;
}

const mostRaces = 20;

/**
 * Changes to several ledgers at once: read, changed in thought, and written by compare-and-swap, started over while others write.
 * A ledger that is lost or that nobody can read is closed for one window: an unknown past counts as a full one.
 */
export class LedgerBooks {
  readonly #leases: LedgerLeases;
  readonly #clock: SteadyClock;
  readonly #locks = new Locks();
  /** Written by this process: what stands in them was dated by its clock. */
  readonly #dated = new Set<string>();

  constructor(leases: LedgerLeases, clock: SteadyClock) {
    this.#leases = leases;
    this.#clock = clock;
  }

  /** @param change may be called again, with what others wrote meanwhile */
  async change<T>(budget: Budget, change: (books: readonly Book[], nowMs: number) => Change<T>): Promise<T> {
    const names = budget.draws.map(({ ledger }) => ledger);
    return await this.#raced(names, async () => {
      const found = new Map<string, Found>();
      for (const name of names) found.set(name, await this.#leases.read(name));
      const nowMs = this.#clock.nowMs();
      const books = budget.draws.map((draw) => this.#opened(draw, budget, found.get(draw.ledger), nowMs));
      const { books: next, result } = change(books, nowMs);
      for (const { name, ledger } of next ?? []) await this.#write(name, ledger, found.get(name));
      return result;
    });
  }

  /** For who gives something back: a ledger that is lost or unreadable is nobody's to mend by that. */
  async changeIfThere(name: string, change: (ledger: StartLedger, nowMs: number) => StartLedger): Promise<void> {
    await this.#raced([name], async () => {
      const found = await this.#leases.read(name);
      if (found.ledger === undefined) return;
      const next = change(found.ledger, this.#clock.nowMs());
      if (next !== found.ledger) await this.#write(name, next, found);
    });
  }

  async open(name: string): Promise<void> {
    await this.#locks.hold([name], async () => await this.#leases.open(name));
  }

  async names(): Promise<string[]> {
    return await this.#leases.names();
  }

  /** True: it is gone. */
  async removeIf(name: string, isSpent: (ledger: StartLedger | undefined, nowMs: number) => boolean): Promise<boolean> {
    return await this.#locks.hold([name], async () => {
      const found = await this.#leases.read(name);
      if (found.lease === undefined || !isSpent(found.ledger, this.#clock.nowMs())) return false;
      const isRemoved = await this.#leases.remove(name, found);
      if (isRemoved) this.#dated.delete(name);
      return isRemoved;
    });
  }

  async #raced<T>(names: readonly string[], work: () => Promise<T>): Promise<T> {
    return await this.#locks.hold(names, async () => {
      for (let race = 0; ; race += 1)
        try {
          return await work();
        } catch (error) {
          if (!(error instanceof LedgerRaceError) || race >= mostRaces) throw error;
        }
    });
  }

  async #write(name: string, ledger: StartLedger, found: Found | undefined): Promise<void> {
    await this.#leases.write(name, ledger, { lease: found?.lease });
    this.#dated.add(name);
  }

  #opened(draw: Draw, { pool, limits }: Budget, found: Found | undefined, nowMs: number): Book {
    const claim: Claim = { pool, limits, others: draw.others };
    const keepMs = longestWindowMs([limits, ...draw.others.values()]);
    const isNew = found?.lease === undefined && found?.hasVanished !== true && !draw.isNamed;
    const lost = { ...emptyLedger, closedUntilMs: isNew ? 0 : nowMs + keepMs };
    const isFirst = !this.#dated.has(draw.ledger);
    const ledger = readAt(found?.ledger ?? lost, { nowMs, keepMs, isFirst });
    const steppedMs = this.#clock.steppedAtMs();
    const closedUntilMs = Math.max(ledger.closedUntilMs, steppedMs === undefined ? 0 : steppedMs + keepMs);
    return { name: draw.ledger, claim, ledger: joined({ ...ledger, closedUntilMs }, claim, nowMs) };
  }
}
