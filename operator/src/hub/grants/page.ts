import type { Bucket } from "@wa/schema";
import type { Book } from "./ledger-books.ts";
import {
  longestWindowMs,
  reachMs,
  roomFor,
  StartLine,
  withStarts,
  withTold,
  type LedgerEntry,
  type Told,
} from "./start-ledger.ts";

type Granted = "login" | "registration";

const leastWaitMs = 1_000;
/** A full ledger has room again when its oldest entries are past. */
const fullWaitMs = 30_000;

/** One pod's requests, entered one after the other in all ledgers of its endpoint: each must have room at the same moment. */
export class Page {
  readonly #books: readonly Book[];
  readonly #nowMs: number;
  readonly #lateMs: number;
  readonly #farthestMs: number;
  readonly #lines = new Map<Granted, readonly StartLine[]>();
  readonly #granted = new Map<Granted, LedgerEntry[]>();
  readonly #told: Told[] = [];
  #room: number;
  /** When somebody who got no time now may get one; undefined: everybody did. */
  againInMs: number | undefined;

  constructor(books: readonly Book[], nowMs: number, lateMs: number) {
    this.#books = books;
    this.#nowMs = nowMs;
    this.#lateMs = lateMs;
    this.#farthestMs = nowMs + Math.min(...books.map(({ claim }) => reachMs(longestWindowMs([claim.limits]))));
    this.#room = Math.min(...books.map(({ ledger, claim }) => roomFor(ledger, claim)));
  }

  /** @returns when the start is due; undefined: not now */
  enter(bucket: Bucket, nonce: string): number | undefined {
    const nowMs = Math.ceil(this.#nowMs);
    if (bucket === "restart") {
      this.#told.push({ bucket, dueMs: nowMs, nonce });
      return nowMs;
    }
    if (this.#room <= 0) return this.#later(fullWaitMs);
    const lines = this.#linesOf(bucket);
    const dueMs = Math.max(nowMs, ...lines.map((line) => line.earliestMs));
    if (dueMs > this.#farthestMs) return this.#later(Math.max(leastWaitMs, dueMs - this.#farthestMs));
    const entry = { dueMs, nonce, pool: this.#books[0]?.claim.pool ?? "", isTold: false, lateMs: this.#lateMs };
    for (const line of lines) line.add(entry);
    const granted = this.#granted.get(bucket) ?? [];
    granted.push(entry);
    this.#granted.set(bucket, granted);
    this.#room -= 1;
    return dueMs;
  }

  /** The ledgers with what was entered. */
  written(): readonly Book[] {
    return this.#books.map((book) => {
      const told = this.#told.length === 0 ? book.ledger : withTold(book.ledger, book.claim, this.#told);
      const ledger = [...this.#granted].reduce((next, [bucket, entries]) => withStarts(next, bucket, entries), told);
      return { ...book, ledger };
    });
  }

  #later(waitMs: number): undefined {
    this.againInMs = Math.min(this.againInMs ?? Infinity, waitMs);
  }

  #linesOf(bucket: Granted): readonly StartLine[] {
    const known = this.#lines.get(bucket);
    if (known !== undefined) return known;
    const lines = this.#books.map(({ ledger, claim }) => new StartLine(ledger, claim, bucket, this.#nowMs));
    this.#lines.set(bucket, lines);
    return lines;
  }
}
