import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import { ApiError, apiErrorOf, isExpired } from "./api-error.ts";
import { compareHistory, HistoryWentBackError, newestOf } from "./history.ts";
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
  /** History went back, as this kind shows: what was read from any of them is of a future that never was. */
  readonly onHistoryBack?: () => void;
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
  /** When a watch goes on, the histories are compared, no more often than this. */
  readonly compareMs: number;
}

const defaults: ReflectorTiming = {
  watchMs: 300_000,
  overrunMs: 5_000,
  idleMs: 90_000,
  backoffBaseMs: 500,
  backoffMaxMs: 30_000,
  compareMs: 2_000,
};

/** A watch that ends sooner than this without an event is a failure: reconnecting at once would be a hot loop. */
const shortestWatchMs = 1_000;

/**
 * Mirrors one kind into a store for as long as the process lives: list, then watch from the list's resourceVersion with
 * bookmarks, in client-go's manner; and, beyond it, from the start when the API server's history went back. Nothing but {@link Reflector.stop} ends it.
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
  #comparedAtMs = Number.NEGATIVE_INFINITY;
  #endedAtMs = Number.NEGATIVE_INFINITY;
  /** Ends the watch that is open. */
  #interrupt: (() => void) | undefined;

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

  get version(): string {
    return this.#resourceVersion;
  }

  doubt(): void {
    if (this.#resourceVersion === "" || this.#comparedWithin(this.#timing.backoffMaxMs)) return;
    void this.#compare().catch((error: unknown) => {
      // An API server that does not answer says nothing about history.
      if (error instanceof HistoryWentBackError) this.#wentBack(error);
    });
  }

  listAgain(): void {
    this.#resourceVersion = "";
    this.#interrupt?.();
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
        const isBack = error instanceof HistoryWentBackError;
        // Found again just after a list: an API server that lags behind its others, rather than another history.
        const isWaiting = !isBack || this.#isListRecent;
        if (isBack) this.#wentBack(error);
        if (isWaiting && !signal.aborted) await this.#afterFailure(error);
      }
    }
  }

  #wentBack(error: HistoryWentBackError): void {
    const { logger, kind, metrics, onHistoryBack } = this.#options;
    const { seen, found } = error;
    metrics.reflectorRewinds.inc({ kind: kind.kind });
    logger.warn({ kind: kind.kind, seen, found }, "The API server's history went back, listing again");
    this.listAgain();
    onHistoryBack?.();
  }

  #comparedWithin(ms: number): boolean {
    return performance.now() - this.#comparedAtMs < ms;
  }

  async #compare(): Promise<void> {
    const { transport, kind, selection, store } = this.#options;
    const seen = { version: this.#resourceVersion, newest: newestOf(store.list()) };
    await compareHistory(transport, kind, selection ?? {}, seen);
    this.#comparedAtMs = performance.now();
  }

  /** Beside a watch that goes on: one from a lost future is silent, and looks like peace. Until an answer comes, or the watch ends. */
  async #lookBack(signal: AbortSignal): Promise<void> {
    const { compareMs } = this.#timing;
    let waitMs = Math.max(0, this.#comparedAtMs + compareMs - performance.now());
    while (!signal.aborted) {
      await delay(waitMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      try {
        await this.#compare();
        return;
      } catch (error) {
        if (error instanceof HistoryWentBackError && !signal.aborted) this.#wentBack(error);
      }
      waitMs = compareMs;
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
    const openedAt = this.#resourceVersion;
    const isContinued = this.#listedAtMs <= this.#endedAtMs;
    const watchMs = this.#timing.watchMs * (1 + Math.random());
    using limit = watchLimit(this.#stopped.signal, watchMs + this.#timing.overrunMs, this.#timing.idleMs);
    this.#interrupt = limit.end;
    const isOver = new AbortController();
    if (isContinued) void this.#lookBack(isOver.signal);
    const openedAtMs = performance.now();
    let events = 0;
    try {
      for await (const event of this.#events(watchMs, limit.signal)) {
        if (limit.signal.aborted) break;
        events += 1;
        limit.heard();
        this.#apply(event, openedAt);
      }
    } catch (error) {
      if (!limit.signal.aborted || error instanceof HistoryWentBackError) throw error;
    } finally {
      isOver.abort();
      this.#interrupt = undefined;
      this.#endedAtMs = performance.now();
    }
    const isShort = events === 0 && performance.now() - openedAtMs < shortestWatchMs;
    if (!isShort) this.#failures = 0;
    else if (!limit.signal.aborted) throw new Error("the watch ended at once and without an event");
  }

  #events(watchMs: number, signal: AbortSignal): AsyncIterable<unknown> {
    const { transport, kind, selection, metrics } = this.#options;
    const query = {
      ...selectors(selection ?? {}),
      resourceVersion: this.#resourceVersion,
      allowWatchBookmarks: "true",
      timeoutSeconds: String(Math.ceil(watchMs / 1_000)),
    };
    metrics.reflectorWatches.inc({ kind: kind.kind });
    return transport.watch({ path: collectionPath(kind, selection?.namespace ?? ""), query }, signal);
  }

  #apply(event: unknown, openedAt: string): void {
    const { type, object, resourceVersion } = toldBy(event);
    this.#failures = 0;
    this.#progressed();
    if (typeof resourceVersion !== "string") return;
    // No watch tells what was before its own beginning.
    if (isOlderVersion(resourceVersion, openedAt))
      throw new HistoryWentBackError(this.#resourceVersion, resourceVersion);
    // It goes forward: what is older is told again, and taking it would undo what came since.
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

/** A watch's event, taken apart. @throws what the server says instead of one. */
function toldBy(event: unknown) {
  if (!isRecord(event)) throw new TypeError("a watch event is no object");
  const { type, object } = event;
  if (type === "ERROR") throw apiErrorOf(500, object);
  if (!isRecord(object) || !isRecord(object["metadata"])) throw new TypeError("a watch event has no object");
  return { type, object, resourceVersion: object["metadata"]["resourceVersion"] };
}

interface WatchLimit extends Disposable {
  readonly signal: AbortSignal;
  heard(): void;
  end(): void;
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
    end: abort,
    [Symbol.dispose]: () => {
      clearTimeout(longest);
      clearTimeout(idle);
    },
  };
}
