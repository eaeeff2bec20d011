import type { Change } from "../kube/store.ts";
import { keyOf, type RawObject } from "../kube/object.ts";

/**
 * What this process has just written, until its mirror has caught up: read-your-writes, without which the next plan would
 * decide from the past. An entry that the mirror never confirms ends by itself.
 */
export class Fresh<T> {
  readonly #entries = new Map<string, { readonly value: T; readonly version: bigint; readonly atMs: number }>();

  put(key: string, value: T, resourceVersion: string): void {
    this.#entries.set(key, { value, version: versionOf(resourceVersion), atMs: performance.now() });
  }

  /** The mirror says something newer, or that the object is gone. */
  confirm(change: Change): void {
    const { metadata } = change.object;
    const key = keyOf(metadata);
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    if (change.kind === "Deleted" || versionOf(metadata.resourceVersion) >= entry.version) this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }

  /** Keys and values that are newer than the mirror's. */
  entries(): readonly (readonly [string, T])[] {
    const oldestMs = performance.now() - lifeMs;
    for (const [key, { atMs }] of this.#entries) if (atMs < oldestMs) this.#entries.delete(key);
    return [...this.#entries].map(([key, { value }]) => [key, value] as const);
  }
}

const lifeMs = 60_000;

/** Opaque by contract and a number in fact; an odd one confirms at once, which costs a conflict and no harm. */
function versionOf(resourceVersion: RawObject["metadata"]["resourceVersion"]): bigint {
  return /^[0-9]+$/.test(resourceVersion ?? "") ? BigInt(resourceVersion ?? 0) : 0n;
}
