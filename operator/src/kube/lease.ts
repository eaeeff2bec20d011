import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import { isAlreadyExists, isConflict } from "./api-error.ts";
import {
  leaderTiming,
  leases,
  leaseStep,
  nextTerm,
  type Lease,
  type LeaseStep,
  type LeaseTiming,
} from "./lease-state.ts";
import { microTime } from "./micro-time.ts";
import type { KubeMetrics } from "./metrics.ts";
import type { ObjectName } from "./object.ts";
import { resource, type Resource } from "./resource.ts";
import type { Transport } from "./transport.ts";

export interface ElectorOptions {
  readonly transport: Transport;
  readonly lease: ObjectName;
  /** Unique to this process, such as pod name and a random part: a restarted container is another holder. */
  readonly identity: string;
  readonly onLeading: (term: number) => void;
  /** Called once, when a Lease that was held is no longer: whoever led must end at once. Not after {@link Elector.stop}. */
  readonly onLost: (reason: string) => void;
  /** False: the Lease is not renewed, so that a process that does no work any more does not keep others from it. */
  readonly isHealthy?: () => boolean;
  readonly metrics: KubeMetrics;
  readonly logger: Logger;
  readonly timing?: LeaseTiming;
}

/** One candidate for a Lease. Ends for good when it loses the Lease: the process starts anew. */
export class Elector {
  readonly #options: ElectorOptions;
  readonly #timing: LeaseTiming;
  readonly #leases: Resource<Lease>;
  readonly #stopped = new AbortController();
  readonly #running: Promise<void>;
  #seenVersion = "";
  #seenAtMs = 0;
  /** When the last successful renewal was sent: what others count from is later, never earlier. */
  #renewedAtMs = Number.NEGATIVE_INFINITY;
  #term: number | undefined;
  #holder = "";

  constructor(options: ElectorOptions) {
    this.#options = options;
    this.#timing = options.timing ?? leaderTiming;
    this.#leases = resource(options.transport, leases);
    options.metrics.leaderStatus.set({ name: options.lease.name }, 0);
    this.#running = this.#run();
  }

  /** Transitions of the Lease while this process surely holds it. Ask before each write that only a leader may do. */
  get term(): number | undefined {
    return performance.now() - this.#renewedAtMs < this.#timing.durationMs ? this.#term : undefined;
  }

  /** Identity of the leader as last seen. */
  get holder(): string {
    return this.#holder;
  }

  /** Stops trying, and releases the Lease so that another may take it at once. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#running;
    if (this.#term !== undefined) await this.#release();
    this.#resign();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      const lost = await this.#turn();
      if (signal.aborted) return;
      if (lost !== undefined) {
        this.#resign();
        this.#options.onLost(lost);
        return;
      }
      const jitter = this.#term === undefined ? 1 + 0.2 * Math.random() : 1;
      await delay(this.#timing.retryMs * jitter, undefined, { signal }).catch(() => undefined);
    }
  }

  /** One look and one write; returns why the Lease is lost, if it is. */
  async #turn(): Promise<string | undefined> {
    const isOverdue = () => performance.now() - this.#renewedAtMs >= this.#timing.renewDeadlineMs;
    const late = "the Lease could not be renewed in time";
    // First: a process that was paused wakes up as a leader of the past.
    if (this.#term !== undefined && isOverdue()) return late;
    const { isHealthy } = this.#options;
    if (this.#term !== undefined && isHealthy?.() === false) return undefined;
    try {
      return await this.#lookAndWrite();
    } catch (error) {
      this.#options.logger.warn({ lease: this.#options.lease.name, err: error }, "Lease not reached");
      return this.#term !== undefined && isOverdue() ? late : undefined;
    }
  }

  async #lookAndWrite(): Promise<string | undefined> {
    const { lease: name, identity } = this.#options;
    const sentAtMs = performance.now();
    const deadlineMs = this.#callDeadlineMs(sentAtMs);
    const lease = await this.#leases.get(name, { deadlineMs });
    const unchangedForMs = this.#noteVersion(lease, sentAtMs);
    this.#holder = lease?.spec.holderIdentity ?? "";
    const step = leaseStep({ lease, unchangedForMs }, identity, this.#timing.durationMs);
    if (this.#term !== undefined && step.kind !== "Renew")
      return `the Lease was taken: its holder is "${this.#holder}"`;
    if (step.kind === "Wait") return undefined;
    const term = termAfter(step, this.#options.transport.serverNowMs());
    try {
      await this.#write(step, term, deadlineMs);
    } catch (error) {
      if (isConflict(error) || isAlreadyExists(error)) return undefined;
      throw error;
    }
    this.#held(term, sentAtMs);
    return undefined;
  }

  /** A call never outlives the renewal it is for, and leaves time for another one: a connection that went dead answers none. */
  #callDeadlineMs(nowMs: number): number {
    const { renewDeadlineMs } = this.#timing;
    const leftMs = this.#term === undefined ? renewDeadlineMs : this.#renewedAtMs + renewDeadlineMs - nowMs;
    return Math.max(Math.ceil(Math.min(leftMs, renewDeadlineMs / 2)), 1);
  }

  #noteVersion(lease: Lease | undefined, nowMs: number): number {
    const version = lease?.metadata.resourceVersion ?? "";
    if (version !== this.#seenVersion) {
      this.#seenVersion = version;
      this.#seenAtMs = nowMs;
    }
    return nowMs - this.#seenAtMs;
  }

  async #write(step: Exclude<LeaseStep, { kind: "Wait" }>, term: number, deadlineMs: number): Promise<void> {
    const { lease: name, identity } = this.#options;
    const now = microTime(Date.now());
    const before = step.kind === "Create" ? undefined : step.lease;
    const spec = {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(this.#timing.durationMs / 1_000),
      acquireTime: step.kind === "Renew" ? (before?.spec.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: term,
    };
    if (before === undefined) await this.#leases.create({ metadata: { ...name }, spec }, { deadlineMs });
    else await this.#leases.mergePatch(name, onVersion(before, spec), { deadlineMs });
  }

  #held(term: number, sentAtMs: number): void {
    const isNew = this.#term === undefined;
    this.#renewedAtMs = sentAtMs;
    this.#term = term;
    this.#holder = this.#options.identity;
    if (!isNew || this.#stopped.signal.aborted) return;
    this.#options.metrics.leaderStatus.set({ name: this.#options.lease.name }, 1);
    this.#options.logger.info({ lease: this.#options.lease.name, term }, "leading");
    this.#options.onLeading(term);
  }

  #resign(): void {
    this.#term = undefined;
    this.#options.metrics.leaderStatus.set({ name: this.#options.lease.name }, 0);
  }

  async #release(): Promise<void> {
    const { lease: name, identity, logger } = this.#options;
    try {
      const lease = await this.#leases.get(name, { deadlineMs: this.#timing.retryMs });
      if (lease?.spec.holderIdentity !== identity) return;
      const spec = { ...lease.spec, holderIdentity: "", leaseDurationSeconds: 1, renewTime: microTime(Date.now()) };
      await this.#leases.mergePatch(name, onVersion(lease, spec), { deadlineMs: this.#timing.retryMs });
    } catch (error) {
      logger.warn({ lease: name.name, err: error }, "Lease not released; it ends by itself");
    }
  }
}

/** A patch that is refused as a conflict when somebody else wrote since `lease` was read. */
function onVersion({ metadata: { resourceVersion } }: Lease, spec: Lease["spec"]): unknown {
  return { metadata: { resourceVersion }, spec };
}

function termAfter(step: Exclude<LeaseStep, { kind: "Wait" }>, nowMs: number): number {
  switch (step.kind) {
    case "Create":
      return nextTerm(0, nowMs);
    case "Renew":
      return step.lease.spec.leaseTransitions;
    case "TakeOver":
      return nextTerm(step.lease.spec.leaseTransitions, nowMs);
    default:
      return step satisfies never;
  }
}
