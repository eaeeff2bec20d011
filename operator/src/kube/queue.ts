import type { KubeMetrics } from "./metrics.ts";
import { QueueState, type Priority } from "./queue-state.ts";

export interface QueueOptions {
  /** Label of its metrics. */
  readonly name: string;
  readonly metrics: KubeMetrics;
  /** First wait after a failure; doubles with each further one. */
  readonly backoffBaseMs?: number;
  readonly backoffMaxMs?: number;
}

/** Keys to reconcile, with client-go's promises: never the same key twice at once, never one lost, none twice for no reason. */
export class WorkQueue {
  readonly #state = new QueueState();
  readonly #takers: ((key: string | undefined) => void)[] = [];
  readonly #failures = new Map<string, number>();
  readonly #readySinceMs = new Map<string, number>();
  readonly #takenAtMs = new Map<string, number>();
  readonly #metrics: KubeMetrics;
  readonly #labels: { readonly name: string; readonly controller: string };
  readonly #backoffBaseMs: number;
  readonly #backoffMaxMs: number;
  readonly #observe = () => {
    this.#observeWork();
  };
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor({ name, metrics, backoffBaseMs = 5, backoffMaxMs = 300_000 }: QueueOptions) {
    this.#metrics = metrics;
    this.#labels = { name, controller: name };
    this.#backoffBaseMs = backoffBaseMs;
    this.#backoffMaxMs = backoffMaxMs;
    metrics.collectors.add(this.#observe);
  }

  add(key: string, priority: Priority = "Normal"): void {
    if (this.#isClosed) return;
    if (this.#state.add(key, priority)) this.#added(key);
    this.#serve();
  }

  /** Adds the key after a delay; of several the earliest counts. */
  addAfter(key: string, delayMs: number): void {
    if (this.#isClosed) return;
    this.#state.addAt(key, performance.now() + delayMs);
    this.#schedule();
  }

  /** Adds the key after its backoff: 5 ms, doubling to 5 minutes, until {@link forget}. */
  addAfterFailure(key: string): void {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    this.#metrics.queueRetries.inc(this.#labels);
    this.addAfter(key, Math.min(this.#backoffBaseMs * 2 ** failures, this.#backoffMaxMs));
  }

  /** The key succeeded: its next failure starts at the first backoff. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  failures(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  /** The next key for one worker, which must call {@link done}; undefined once the queue is closed. */
  async take(): Promise<string | undefined> {
    if (this.#isClosed) return undefined;
    return await new Promise((resolve) => {
      this.#takers.push(resolve);
      this.#serve();
    });
  }

  done(key: string): void {
    const takenAtMs = this.#takenAtMs.get(key);
    if (takenAtMs !== undefined) this.#metrics.queueWork.observe(this.#labels, secondsSince(takenAtMs));
    this.#takenAtMs.delete(key);
    this.#state.done(key);
    this.#serve();
  }

  /** Ends waiting workers; keys that wait are dropped, as the next process lists everything again. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#metrics.collectors.delete(this.#observe);
    for (const resolve of this.#takers.splice(0)) resolve(undefined);
  }

  #serve(): void {
    while (this.#takers.length > 0) {
      const key = this.#state.take();
      if (key === undefined) break;
      this.#taken(key);
      this.#takers.shift()?.(key);
    }
    this.#metrics.queueDepth.set(this.#labels, this.#state.depth);
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    const readyAtMs = this.#state.nextReadyAtMs;
    if (readyAtMs === undefined || this.#isClosed) return;
    // A timer longer than 2^31 ms fires at once.
    const waitMs = Math.min(Math.max(Math.ceil(readyAtMs - performance.now()), 0), 3_600_000);
    this.#timer = setTimeout(() => {
      for (const key of this.#state.promote(performance.now())) this.#added(key);
      this.#serve();
      this.#schedule();
    }, waitMs);
  }

  #added(key: string): void {
    this.#metrics.queueAdds.inc(this.#labels);
    this.#readySinceMs.set(key, performance.now());
  }

  #taken(key: string): void {
    const sinceMs = this.#readySinceMs.get(key);
    if (sinceMs !== undefined) this.#metrics.queueWait.observe(this.#labels, secondsSince(sinceMs));
    this.#readySinceMs.delete(key);
    this.#takenAtMs.set(key, performance.now());
  }

  #observeWork(): void {
    const ages = [...this.#takenAtMs.values()].map(secondsSince);
    this.#metrics.queueUnfinished.set(
      this.#labels,
      ages.reduce((sum, age) => sum + age, 0),
    );
    this.#metrics.queueLongest.set(this.#labels, Math.max(0, ...ages));
  }
}

function secondsSince(startMs: number): number {
  return (performance.now() - startMs) / 1_000;
}
