/** Normal goes before Low; Low is for what a list said, so that a restart's thousands do not hold up what changes now. */
export type Priority = "Normal" | "Low";

/**
 * client-go's work queue without its threads and clock: a key is ready once, is processed by one worker at a time, and is
 * ready again after it when it was added meanwhile.
 */
export class QueueState {
  /** Added and not taken yet; those being processed wait here for `done`. */
  readonly #dirty = new Map<string, Priority>();
  readonly #processing = new Set<string>();
  /** Sets keep the order of insertion: first in, first out. */
  readonly #ready: Readonly<Record<Priority, Set<string>>> = { Normal: new Set(), Low: new Set() };
  readonly #waiting = new Map<string, number>();
  readonly #heap: Waiting[] = [];

  get depth(): number {
    return this.#ready.Normal.size + this.#ready.Low.size;
  }

  get nextReadyAtMs(): number | undefined {
    return this.#heap[0]?.readyAtMs;
  }

  /** True when the key was not waiting for a worker before. */
  add(key: string, priority: Priority): boolean {
    const known = this.#dirty.get(key);
    if (known !== undefined && (known === priority || priority === "Low")) return false;
    this.#dirty.set(key, priority);
    if (!this.#processing.has(key)) this.#makeReady(key, priority);
    return known === undefined;
  }

  /** Ready at that time; an earlier one that was asked for before stays. */
  addAt(key: string, readyAtMs: number): void {
    const known = this.#waiting.get(key);
    if (known !== undefined && known <= readyAtMs) return;
    this.#waiting.set(key, readyAtMs);
    push(this.#heap, { key, readyAtMs });
  }

  /** Adds the keys whose time has come, and returns those that were not waiting for a worker already. */
  promote(nowMs: number): readonly string[] {
    const added: string[] = [];
    for (let first = this.#heap[0]; first !== undefined && first.readyAtMs <= nowMs; first = this.#heap[0]) {
      pop(this.#heap);
      if (this.#waiting.get(first.key) !== first.readyAtMs) continue;
      this.#waiting.delete(first.key);
      if (this.add(first.key, "Normal")) added.push(first.key);
    }
    return added;
  }

  take(): string | undefined {
    const [key] = this.#ready.Normal.size > 0 ? this.#ready.Normal : this.#ready.Low;
    if (key === undefined) return undefined;
    this.#ready.Normal.delete(key);
    this.#ready.Low.delete(key);
    this.#dirty.delete(key);
    this.#processing.add(key);
    return key;
  }

  done(key: string): void {
    if (!this.#processing.delete(key)) return;
    const again = this.#dirty.get(key);
    if (again !== undefined) this.#makeReady(key, again);
  }

  #makeReady(key: string, priority: Priority): void {
    this.#ready.Low.delete(key);
    this.#ready[priority].add(key);
  }
}

interface Waiting {
  readonly key: string;
  readonly readyAtMs: number;
}

const timeAt = (heap: readonly Waiting[], index: number): number => heap[index]?.readyAtMs ?? Number.POSITIVE_INFINITY;

function swap(heap: Waiting[], left: number, right: number): void {
  const [one, other] = [heap[left], heap[right]];
  if (one === undefined || other === undefined) return;
  heap[left] = other;
  heap[right] = one;
}

function push(heap: Waiting[], item: Waiting): void {
  heap.push(item);
  let index = heap.length - 1;
  while (index > 0 && timeAt(heap, (index - 1) >> 1) > timeAt(heap, index)) {
    swap(heap, index, (index - 1) >> 1);
    index = (index - 1) >> 1;
  }
}

function pop(heap: Waiting[]): void {
  swap(heap, 0, heap.length - 1);
  heap.pop();
  let index = 0;
  for (;;) {
    const left = 2 * index + 1;
    const smaller = timeAt(heap, left + 1) < timeAt(heap, left) ? left + 1 : left;
    if (timeAt(heap, smaller) >= timeAt(heap, index)) return;
    swap(heap, index, smaller);
    index = smaller;
  }
}
