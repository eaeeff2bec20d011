import { placeKey } from "./batch.ts";
import type { Batch } from "./batch.ts";

/** Credentials are read before the first generation; a prekey when a new contact uses it, and 812 are made at once. */
const readOnceAtMost = new Set(["creds", "pre-key"]);

/**
 * Values that one generation read or wrote lately. It is written after a commit, never before, and dropped with the generation:
 * what it answers is what the database holds.
 */
export class ReadCache {
  readonly #values = new Map<string, Uint8Array | undefined>();
  readonly #limit: number;
  #writes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** `undefined` in `value`: known to be absent. */
  find(type: string, id: string): { readonly value: Uint8Array | undefined } | undefined {
    const key = placeKey(type, id);
    return this.#values.has(key) ? { value: this.#values.get(key) } : undefined;
  }

  /** Take before reading the database, hand to {@link keepRead}. */
  get writes(): number {
    return this.#writes;
  }

  /** A read that overlapped a commit may be older than what was committed; it is not kept. */
  keepRead(type: string, values: ReadonlyMap<string, Uint8Array | undefined>, writesBefore: number): void {
    if (writesBefore === this.#writes) for (const [id, value] of values) this.#keep(placeKey(type, id), value);
  }

  /** While a commit is under way nobody knows which of two values the database holds. */
  forget(batch: Batch): void {
    this.#writes += 1;
    for (const key of [...batch.puts.keys(), ...batch.deletes.keys()]) this.#values.delete(key);
  }

  keepWritten(batch: Batch): void {
    this.#writes += 1;
    for (const [key, { type, value }] of batch.puts) if (!readOnceAtMost.has(type)) this.#keep(key, value);
    for (const key of batch.deletes.keys()) this.#keep(key, undefined);
  }

  clear(): void {
    this.#writes += 1;
    this.#values.clear();
  }

  #keep(key: string, value: Uint8Array | undefined): void {
    this.#values.delete(key);
    this.#values.set(key, value);
    const oldest = this.#values.keys().next();
    if (this.#values.size > this.#limit && oldest.done !== true) this.#values.delete(oldest.value);
  }
}
