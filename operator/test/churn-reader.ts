import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import { startInformer, type Informer } from "../src/kube/informer.ts";
import type { KubeMetrics } from "../src/kube/metrics.ts";
import { keyOf, nameOf } from "../src/kube/object.ts";
import { WorkQueue } from "../src/kube/queue.ts";
import type { ReflectorTiming } from "../src/kube/reflector.ts";
import type { Transport } from "../src/kube/transport.ts";
import { startWorkers, type Workers } from "../src/kube/workers.ts";
import type { Subject } from "./churn-subjects.ts";
import { Told, versionOf, versionsOf, type Versions } from "./told.ts";

/** Short, so that a test sees many rounds; nothing else differs from the operator's own. */
const timing: Partial<ReflectorTiming> = {
  watchMs: 15_000,
  idleMs: 4_000,
  backoffBaseMs: 200,
  backoffMaxMs: 3_000,
};
const concurrency = 4;

/** An informer with its queue and workers, as a controller has them, which write down what they see. */
export class ChurnReader implements AsyncDisposable {
  readonly subject: Subject;
  readonly told = new Told();
  /** Keys that two workers had at once. */
  readonly overlaps: string[] = [];
  visits = 0;
  failures = 0;
  readonly #informer: Informer<unknown>;
  readonly #workers: Workers;
  readonly #working = new Set<string>();
  /** What each key's worker saw last. */
  readonly #seen = new Map<string, string>();

  constructor(transport: Transport, subject: Subject, metrics: KubeMetrics, logger: Logger) {
    this.subject = subject;
    const { kind, selection } = subject;
    const queue = new WorkQueue({ name: kind.plural, metrics });
    this.#informer = startInformer({
      transport,
      kind,
      selection,
      onChange: (change, isFromList) => {
        this.told.note(change);
        queue.add(keyOf(change.object.metadata), isFromList ? "Low" : "Normal");
      },
      metrics,
      logger,
      timing,
    });
    const reconcile = async (key: string) => await this.#visit(key);
    this.#workers = startWorkers({ controller: kind.plural, queue, concurrency, reconcile, metrics, logger });
  }

  /** What was mirrored, told, and seen by workers, each of which has to become `wanted`. */
  views(wanted: Versions): { readonly mirrored: Versions; readonly told: Versions; readonly seen: Versions } {
    return { mirrored: this.#mirrored(wanted), told: this.told.alive, seen: Object.fromEntries(this.#seen) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#informer.stop();
    await this.#workers.stop();
  }

  /** By name, because an informer lists parsed objects; one that should have gone is in `told` still. */
  #mirrored(wanted: Versions): Versions {
    const raw = Object.keys(wanted).flatMap((key) => this.#informer.raw(nameOf(key)) ?? []);
    const more = this.#informer.list().length - raw.length;
    return { ...versionsOf(raw), ...(more === 0 ? {} : { [`${more} more`]: "not on the API server" }) };
  }

  async #visit(key: string): Promise<Record<string, never>> {
    if (this.#working.has(key)) this.overlaps.push(key);
    this.#working.add(key);
    try {
      const raw = this.#informer.raw(nameOf(key));
      this.visits += 1;
      await delay(Math.random() * 20);
      if (Math.random() < 0.05) {
        this.failures += 1;
        throw new Error("planted failure");
      }
      if (raw === undefined) this.#seen.delete(key);
      else this.#seen.set(key, versionOf(raw.metadata));
      return {};
    } finally {
      this.#working.delete(key);
    }
  }
}
