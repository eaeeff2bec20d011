import type { Logger } from "pino";
import { isConflict } from "./api-error.ts";
import type { KubeMetrics } from "./metrics.ts";
import type { WorkQueue } from "./queue.ts";

export interface WorkersOptions {
  /** Label of its metrics. */
  readonly controller: string;
  readonly queue: WorkQueue;
  /** Most keys at once. */
  readonly concurrency: number;
  /** Looks at one key's whole state; may be called for a key that is gone. A throw repeats it after its backoff. */
  readonly reconcile: (key: string) => Promise<Reconciled>;
  readonly metrics: KubeMetrics;
  readonly logger: Logger;
}

export interface Reconciled {
  /** Look again after this long, though nothing changes. */
  readonly requeueAfterMs?: number;
}

export interface Workers {
  /** Closes the queue and waits for the reconciles that run. */
  stop(): Promise<void>;
}

export function startWorkers(options: WorkersOptions): Workers {
  const { queue, concurrency, controller, metrics } = options;
  metrics.maxConcurrent.set({ controller }, concurrency);
  const running = Array.from({ length: concurrency }, async () => {
    await work(options);
  });
  return {
    stop: async () => {
      queue.close();
      await Promise.all(running);
    },
  };
}

async function work(options: WorkersOptions): Promise<void> {
  for (let key = await options.queue.take(); key !== undefined; key = await options.queue.take()) {
    await workOn(key, options);
    options.queue.done(key);
  }
}

async function workOn(key: string, { queue, reconcile, controller, metrics, logger }: WorkersOptions): Promise<void> {
  const startedAtMs = performance.now();
  metrics.activeWorkers.inc({ controller });
  try {
    const { requeueAfterMs } = await reconcile(key);
    queue.forget(key);
    if (requeueAfterMs !== undefined) queue.addAfter(key, requeueAfterMs);
    metrics.reconciles.inc({ controller, result: requeueAfterMs === undefined ? "success" : "requeue_after" });
  } catch (error) {
    queue.addAfterFailure(key);
    countFailure(error, { controller, metrics });
    // A conflict is the API server's way to say that the cache is behind: the next look decides anew.
    logger[isConflict(error) ? "debug" : "error"]({ controller, key, err: error }, "reconcile failed");
  } finally {
    metrics.activeWorkers.dec({ controller });
    metrics.reconcileTime.observe({ controller }, (performance.now() - startedAtMs) / 1_000);
  }
}

function countFailure(error: unknown, { controller, metrics }: Pick<WorkersOptions, "controller" | "metrics">): void {
  metrics.reconciles.inc({ controller, result: isConflict(error) ? "requeue" : "error" });
  if (!isConflict(error)) metrics.reconcileErrors.inc({ controller });
}
