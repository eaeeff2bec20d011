import { isDeepStrictEqual } from "node:util";
import {
  entitlementCheckMs,
  storeCheckEveryMs,
  type Assignment,
  type Bucket,
  type DeviceRef,
  type Grant,
  type SessionReport,
} from "@wa/schema";
import { isEntitled, isStoreAsked } from "../session/entitlement.ts";
import type { SessionEvent, PodEgress } from "../session/state.ts";
import { inContextOf } from "./faults.ts";
import type { Pod } from "./pod.ts";
import type { Claim, DeviceKey, OutboxQuestion } from "./ports.ts";
import { RunningSession } from "./running-session.ts";

const outboxPollMs = 1_000;

export interface SessionsOptions extends Pod {
  /** Whether the sockets depend on an operator's link; false when run alone, where nobody else hands out devices. */
  readonly needsLink: boolean;
}

export interface GrantRequest {
  readonly device: DeviceRef;
  readonly bucket: Bucket;
}

/** All sessions of a process. Level-based: it is told what is wanted, whole, and tells what is, whole. */
export class Sessions {
  readonly #options: SessionsOptions;
  readonly #sessions = new Map<string, RunningSession>();
  /** Sessions on their way out; one of the same device begins after the one before has ended. */
  readonly #leaving = new Map<string, Promise<void>>();
  readonly #reportListeners = new Set<(report: SessionReport) => void>();
  readonly #queueListeners = new Set<(requests: readonly GrantRequest[]) => void>();
  readonly #timers: readonly NodeJS.Timeout[];
  #egress: PodEgress = {};
  #linkHeardMs = performance.now();
  #storeAskedMs = 0;
  #isPolling = false;

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.#timers = [
      setInterval(() => void this.#pollOutbox(), outboxPollMs),
      setInterval(() => this.#checkEntitlement(), entitlementCheckMs),
    ];
  }

  /** Starts what is new, applies what changed, and releases what is missing. */
  setAssignments(assignments: readonly Assignment[]): void {
    const wanted = new Map(assignments.map((assignment) => [assignment.device.uid, assignment]));
    for (const [uid, session] of this.#sessions) if (!wanted.has(uid)) this.#release(uid, session);
    for (const [uid, assignment] of wanted) {
      const session = this.#sessions.get(uid);
      if (session !== undefined) inContextOf(session, () => session.dispatch({ kind: "assigned", assignment }));
      else this.#start(uid, assignment);
    }
  }

  grant(grant: Grant): void {
    const session = this.#sessions.get(grant.device.uid);
    if (session !== undefined) inContextOf(session, () => session.grant(grant));
  }

  /** Call for every sign of life of the operator's link. */
  linkHeard(): void {
    this.#linkHeardMs = performance.now();
  }

  /** What all sessions share. */
  setEgress(egress: PodEgress): void {
    this.#egress = egress;
    this.#tellAll({ kind: "egressChanged", egress });
  }

  /** The proxy's Secret has another content: sessions that wait because of the proxy try again. */
  proxyLoginChanged(): void {
    this.#tellAll({ kind: "proxyLoginChanged" });
  }

  reports(): SessionReport[] {
    return [...this.#sessions.values()].map(({ report }) => report);
  }

  /** The whole queue for a start: whoever is not in it any more wants none. */
  grantQueue(): GrantRequest[] {
    return [...this.#sessions.values()].flatMap((session) =>
      session.queued === undefined ? [] : [{ device: session.device, bucket: session.queued }],
    );
  }

  /** @returns ends the subscription */
  onReport(listener: (report: SessionReport) => void): () => void {
    this.#reportListeners.add(listener);
    return () => this.#reportListeners.delete(listener);
  }

  /** @returns ends the subscription */
  onGrantQueue(listener: (requests: readonly GrantRequest[]) => void): () => void {
    this.#queueListeners.add(listener);
    return () => this.#queueListeners.delete(listener);
  }

  /** Closes every socket and writes what is left to write; resolves when each session has reported Released. */
  async stop(): Promise<void> {
    this.setAssignments([]);
    await Promise.all(this.#leaving.values());
    for (const timer of this.#timers) clearInterval(timer);
  }

  #start(uid: string, assignment: Assignment): void {
    const session = new RunningSession({
      pod: this.#options,
      egress: this.#egress,
      assignment,
      listener: {
        onReport: onlyNews((report) => {
          for (const listener of this.#reportListeners) listener(report);
        }),
        onQueueChange: () => {
          const queue = this.grantQueue();
          for (const listener of this.#queueListeners) listener(queue);
        },
      },
    });
    this.#sessions.set(uid, session);
    const before = this.#leaving.get(uid) ?? Promise.resolve();
    inContextOf(session, () => void before.then(() => session.dispatch({ kind: "start" })));
  }

  #tellAll(event: SessionEvent): void {
    for (const session of this.#sessions.values()) inContextOf(session, () => session.dispatch(event));
  }

  #release(uid: string, session: RunningSession): void {
    this.#sessions.delete(uid);
    const left = inContextOf(session, async () => await session.stop());
    const before = this.#leaving.get(uid) ?? Promise.resolve();
    const bothLeft = Promise.all([before, left]).then(() => undefined);
    this.#leaving.set(uid, bothLeft);
    void bothLeft.then(() => {
      if (this.#leaving.get(uid) === bothLeft) this.#leaving.delete(uid);
    });
  }

  /** One query a second for the whole process, whatever the number of sessions. */
  async #pollOutbox(): Promise<void> {
    const connected = [...this.#sessions.values()].filter((session) => session.isConnected);
    const oldestMs = Math.max(0, ...connected.map(({ outbox }) => outbox?.oldestMs ?? 0));
    this.#options.metrics.outboxOldest.set(oldestMs / 1_000);
    if (this.#isPolling || connected.length === 0) return;
    this.#isPolling = true;
    try {
      const byDevice = new Map<DeviceKey, RunningSession>();
      const questions: OutboxQuestion[] = [];
      for (const session of connected) {
        const claim = session.connectedClaim;
        if (claim === undefined) continue;
        const { device, epoch } = claim;
        questions.push({ device, epoch, underWay: session.outbox?.underWay ?? new Set() });
        byDevice.set(device, session);
      }
      for (const [device, messages] of await this.#options.store.pendingOutbox(questions)) {
        const session = byDevice.get(device);
        if (session !== undefined) inContextOf(session, () => session.outbox?.send(messages));
      }
    } catch {
      // No store, no sending: what cannot be committed must not leave.
      this.#options.metrics.storeTrouble.inc({ operation: "pendingOutbox" });
    } finally {
      this.#isPolling = false;
    }
  }

  #checkEntitlement(): void {
    if (!this.#options.needsLink) return;
    const nowMs = performance.now();
    const linkMs = this.#linkHeardMs;
    const isAsking = isStoreAsked({ linkMs }, nowMs) && nowMs - this.#storeAskedMs >= storeCheckEveryMs;
    if (isAsking) this.#storeAskedMs = nowMs;
    for (const session of this.#sessions.values()) {
      const claim = session.connectedClaim;
      if (claim === undefined) continue;
      if (!isEntitled({ linkMs, storeMs: session.storeHeardMs }, nowMs)) this.#loseEntitlement(session);
      else if (isAsking) void readEpoch(session, claim);
    }
  }

  /** Neither the operator nor the store answered for too long: somebody else may run the device now. */
  #loseEntitlement(session: RunningSession): void {
    this.#options.log.error({ device: session.device }, "entitlement lost");
    const disconnect = { message: "neither the operator nor the store answered", statusCode: 408 };
    inContextOf(session, () => session.dispatch({ kind: "cut", disconnect }));
  }
}

/** Silence of the store is no answer; a later claim than ours is one, and two owners of a device destroy each other. */
async function readEpoch(session: RunningSession, claim: Claim): Promise<void> {
  try {
    if (await claim.stillOwned()) session.dispatch({ kind: "storeHeard" });
    else if ((await claim.isSuperseded()) && session.connectedClaim === claim) session.dispatch({ kind: "superseded" });
  } catch {
    // Asked again in a while; the entitlement ends by itself.
  }
}

/** Tells a report that differs from the last one. */
function onlyNews(tell: (report: SessionReport) => void): (report: SessionReport) => void {
  let last: SessionReport | undefined;
  return (report) => {
    if (isDeepStrictEqual(report, last)) return;
    last = report;
    tell(report);
  };
}
