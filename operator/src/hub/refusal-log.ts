import type { Logger } from "pino";
import type { HubMetrics } from "./metrics.ts";

/** One line of a reason in this time; the metric counts all. */
const onceInMs = 5_000;

/** Whoever is refused may come a thousand times a second: that fills no log. */
export class RefusalLog {
  readonly #metrics: HubMetrics;
  readonly #logger: Logger;
  readonly #last = new Map<string, { atMs: number; unsaid: number }>();

  constructor(metrics: HubMetrics, logger: Logger) {
    this.#metrics = metrics;
    this.#logger = logger;
  }

  /** @param reason one of the hub's own words, and few of them */
  add(reason: string, about: { readonly pod?: string; readonly message: string }): void {
    this.#metrics.refusals.inc({ reason });
    const nowMs = performance.now();
    const last = this.#last.get(reason);
    if (last !== undefined && nowMs - last.atMs < onceInMs) {
      last.unsaid += 1;
      return;
    }
    this.#last.set(reason, { atMs: nowMs, unsaid: 0 });
    this.#logger.warn({ ...about, reason, sinceTheLastLine: last?.unsaid ?? 0 }, "dial or link refused");
  }
}
