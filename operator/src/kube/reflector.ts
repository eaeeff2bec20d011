import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import { ApiError, apiErrorOf, isExpired } from "./api-error.ts";
import { collectionPath, type Kind } from "./kind.ts";
import type { KubeMetrics } from "./metrics.ts";
import { isOlderVersion, isRawObject, isRecord } from "./object.ts";
import { listRaw, selectors, type ListOptions } from "./resource.ts";
import { maxRetryWaitMs } from "./retry.ts";
import type { Change, Store } from "./store.ts";
import type { Transport } from "./transport.ts";

export interface ReflectorOptions {
  readonly transport: Transport;
  readonly kind: Kind<unknown>;
  readonly selection?: ListOptions;
  readonly store: Store;
  /** Enqueues and returns: it may not do the work itself. `isFromList`: a list said so, not an event. */
  readonly onChange: (change: Change, isFromList: boolean) => void;
  readonly metrics: KubeMetrics;
  readonly logger: Logger;
  readonly timing?: Partial<ReflectorTiming>;
}

export interface ReflectorTiming {
  /** The server ends a watch after a random time between this and its double. */
  readonly watchMs: number;
  /** Added to it: when the server did not end the watch, we do. */
  readonly overrunMs: number;
  /** Bookmarks come about every minute; a connection silent for longer than this is taken for dead. */
  readonly idleMs: number;
  readonly backoffBaseMs: number;
  readonly backoffMaxMs: number;
}

const defaults: ReflectorTiming = {
  watchMs: 300_000,
  overrunMs: 5_000,
  idleMs: 90_000,
  backoffBaseMs: 500,
  backoffMaxMs: 30_000,
};

/** A watch that ends sooner than this without an event is a failure: reconnecting at once would be a hot loop. */
const shortestWatchMs = 1_000;

/**
 * Mirrors one kind into a store for as long as the process lives: list, then watch from the list's resourceVersion with
 * bookmarks, in client-go's manner. Nothing but {@link Reflector.stop} ends it.
 */
export class Reflector {
  readonly #options: ReflectorOptions;
  readonly #timing: ReflectorTiming;
  readonly #stopped = new AbortController();
  readonly #running: Promise<void>;
  /** Where the next watch goes on; empty: list first. */
  #resourceVersion = "";
  #hasSynced = false;
  #failures = 0;
  /** Lists whose watch expired soon after them, in a row. */
  #expiries = 0;
  #listedAtMs = Number.NEGATIVE_INFINITY;
  #progressAtMs = performance.now();

  constructor(options: ReflectorOptions) {
    this.#options = options;
    this.#timing = { ...defaults, ...options.timing };
    this.#running = this.#run();
  }

  /** The first list has reached the store and the handler. */
  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  /** Milliseconds since a list, event or bookmark last came: liveness, because silent deafness looks like peace. */
  get silentForMs(): number {
    return performance.now() - this.#progressAtMs;
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      try {
        if (this.#resourceVersion === "") await this.#list();
        await this.#watch();
      } catch (error) {
        if (!signal.aborted) await this.#afterFailure(error);
      }
    }
  }

  async #afterFailure(error: unknown): Promise<void> {
    const { logger, kind } = this.#options;
    const isFirstExpiry = isExpired(error) && this.#failures === 0 && !this.#isListRecent;
    if (isExpired(error)) {
      this.#resourceVersion = "";
      this.#expiries = this.#isListRecent ? this.#expiries + 1 : 0;
    }
    this.#failures += 1;
    if (isFirstExpiry) {
      logger.info({ kind: kind.kind }, "watch expired, listing again");
      return;
    }
    const askedMs = error instanceof ApiError ? Math.min(error.retryAfterMs, maxRetryWaitMs) : 0;
    const waitMs = Math.max(this.#backoffMs(), askedMs);
    logger.warn({ kind: kind.kind, err: error, failures: this.#failures, waitMs }, "list or watch failed");
    await delay(waitMs, undefined, { signal: this.#stopped.signal }).catch(() => undefined);
  }

  #backoffMs(): number {
    const { backoffBaseMs, backoffMaxMs } = this.#timing;
    const row = Math.max(this.#failures, this.#isListRecent ? this.#expiries : 0);
    return Math.min(backoffBaseMs * 2 ** (row - 1), backoffMaxMs) * (0.5 + Math.random());
  }

  /** Lists are dear: one that was made just now is not repeated at once, whatever events came in between. */
  get #isListRecent(): boolean {
    return performance.now() - this.#listedAtMs < this.#timing.backoffMaxMs;
  }

  /** Without a resourceVersion: consistent, where a cached list after an API server's restart could go back in time. */
  async #list(): Promise<void> {
    const { transport, kind, selection, store, metrics, logger } = this.#options;
    metrics.reflectorLists.inc({ kind: kind.kind });
    const { items, resourceVersion } = await listRaw(transport, kind, selection ?? {}, this.#stopped.signal);
    this.#tell(store.replace(items), true);
    this.#resourceVersion = resourceVersion;
    this.#hasSynced = true;
    this.#listedAtMs = performance.now();
    this.#progressed();
    logger.debug({ kind: kind.kind, objects: items.length }, "listed");
  }

  async #watch(): Promise<void> {
    const { transport, kind, selection, metrics } = this.#options;
    const watchMs = this.#timing.watchMs * (1 + Math.random());
    const query = {
      ...selectors(selection ?? {}),
      resourceVersion: this.#resourceVersion,
      allowWatchBookmarks: "true",
      timeoutSeconds: String(Math.ceil(watchMs / 1_000)),
    };
    using limit = watchLimit(this.#stopped.signal, watchMs + this.#timing.overrunMs, this.#timing.idleMs);
    metrics.reflectorWatches.inc({ kind: kind.kind });
    const openedAtMs = performance.now();
    let events = 0;
    try {
      const path = collectionPath(kind, selection?.namespace ?? "");
      for await (const event of transport.watch({ path, query }, limit.signal)) {
        events += 1;
        limit.heard();
        this.#apply(event);
      }
    } catch (error) {
      if (!limit.signal.aborted) throw error;
    }
    const isShort = events === 0 && performance.now() - openedAtMs < shortestWatchMs;
    if (!isShort) this.#failures = 0;
    else if (!limit.signal.aborted) throw new Error("the watch ended at once and without an event");
  }

  #apply(event: unknown): void {
    if (!isRecord(event)) throw new TypeError("a watch event is no object");
    const { type, object } = event;
    if (type === "ERROR") throw apiErrorOf(500, object);
    if (!isRecord(object) || !isRecord(object["metadata"])) throw new TypeError("a watch event has no object");
    const { resourceVersion } = object["metadata"];
    this.#failures = 0;
    this.#progressed();
    if (typeof resourceVersion !== "string") return;
    // A watch goes forward: what is older is told again, and taking it would undo what came since.
    if (isOlderVersion(resourceVersion, this.#resourceVersion)) return;
    this.#resourceVersion = resourceVersion;
    if (type === "BOOKMARK" || !isRawObject(object)) return;
    const { store } = this.#options;
    this.#tell(type === "DELETED" ? store.remove(object) : store.put(object), false);
  }

  /** A list alone does not end a row of failures: one that expires at once again would be a hot loop. */
  #progressed(): void {
    this.#progressAtMs = performance.now();
    this.#options.metrics.reflectorLastProgress.set({ kind: this.#options.kind.kind }, Date.now() / 1_000);
  }

  #tell(changes: readonly Change[], isFromList: boolean): void {
    for (const change of changes) {
      try {
        this.#options.onChange(change, isFromList);
      } catch (error) {
        this.#options.logger.error({ kind: this.#options.kind.kind, err: error }, "a change handler failed");
      }
    }
  }
}

interface WatchLimit extends Disposable {
  readonly signal: AbortSignal;
  heard(): void;
}

/** Aborts with its parent, after `longestMs`, or when nothing is heard for `idleMs`. */
function watchLimit(parent: AbortSignal, longestMs: number, idleMs: number): WatchLimit {
  const own = new AbortController();
  const abort = () => {
    own.abort();
  };
  const longest = setTimeout(abort, longestMs);
  const idle = setTimeout(abort, idleMs);
  return {
    signal: AbortSignal.any([parent, own.signal]),
    heard: () => idle.refresh(),
    [Symbol.dispose]: () => {
      clearTimeout(longest);
      clearTimeout(idle);
    },
  };
}
