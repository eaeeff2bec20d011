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
import { inContextOf } from "./faults.ts";
import type { Pod, PodSituation } from "./pod.ts";
import type { Claim, DeviceKey, OutboxQuestion } from "./ports.ts";
import { RunningSession } from "./running-session.ts";

const outboxPollMs = 1_000;

export interface SessionsOptions extends Pod {
  /** For devices whose version is Auto; empty: the client library's own. */
  readonly clientVersion: string;
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
  readonly #situation: PodSituation;
  readonly #sessions = new Map<string, RunningSession>();
  /** Sessions on their way out; one of the same device begins after the one before has ended. */
  readonly #leaving = new Map<string, Promise<void>>();
  readonly #reportListeners = new Set<(report: SessionReport) => void>();
  readonly #queueListeners = new Set<(requests: readonly GrantRequest[]) => void>();
  readonly #timers: readonly NodeJS.Timeout[];
  #linkHeardMs = performance.now();
  #storeAskedMs = 0;
  #isPolling = false;

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.#situation = { clientVersion: options.clientVersion, egressProblem: undefined, observedIP: undefined };
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
      if (session !== undefined) inContextOf(session, () => session.assign(assignment));
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

  /** Changes what all sessions share; each next connection uses it. */
  setSituation(change: Partial<PodSituation>): void {
    Object.assign(this.#situation, change);
    for (const session of this.#sessions.values()) inContextOf(session, () => session.situationChanged());
  }

  /** The proxy's Secret has another content: sessions that wait because of the proxy try again. */
  proxyLoginChanged(): void {
    for (const session of this.#sessions.values()) inContextOf(session, () => session.proxyLoginChanged());
  }

  reports(): SessionReport[] {
    return [...this.#sessions.values()].map(({ report }) => report);
  }

  /** The whole queue for a start: whoever is not in it any more wants none. */
  grantQueue(): GrantRequest[] {
    return [...this.#sessions.values()].flatMap((session) =>
      session.queued === undefined ? [] : [{ device: session.report.device, bucket: session.queued }],
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
      situation: this.#situation,
      assignment,
      listener: {
        onReport: (report) => {
          for (const listener of this.#reportListeners) listener(report);
        },
        onQueueChange: () => {
          const queue = this.grantQueue();
          for (const listener of this.#queueListeners) listener(queue);
        },
      },
    });
    this.#sessions.set(uid, session);
    const before = this.#leaving.get(uid) ?? Promise.resolve();
    inContextOf(session, () => void before.then(() => session.start()));
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
      if (!isEntitled({ linkMs, storeMs: session.storeHeardMs }, nowMs))
        inContextOf(session, () => session.loseEntitlement());
      else if (isAsking) void readEpoch(session, claim);
    }
  }
}

/** Silence of the store is no answer; a lost claim shows at the next write. */
async function readEpoch(session: RunningSession, claim: Claim): Promise<void> {
  const isOwned = await claim.stillOwned().catch(() => false);
  if (isOwned) session.storeHeardMs = performance.now();
}
