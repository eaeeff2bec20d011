import type { Bucket, DeviceRef, Grant, SessionReport } from "@wa/schema";
import { reportOf } from "../session/report.ts";
import { newSession } from "../session/starts.ts";
import { endOfWait, type Effect, type Question, type SessionEvent, type SessionState } from "../session/state.ts";
import { step } from "../session/step.ts";
import { ConnectionSlot } from "./connection-slot.ts";
import { inContextOfNextConnection } from "./faults.ts";
import type { Outbox } from "./outbox.ts";
import { describe, Ownership } from "./ownership.ts";
import type { Pod, SessionOptions } from "./pod.ts";
import type { Claim } from "./ports.ts";
import { Timers } from "./timers.ts";
import { Turn } from "./turn.ts";

/** Hands all that happens to the pure session, and performs what it decides on store, socket, timers and queue. */
export class RunningSession {
  readonly #pod: Pod;
  readonly #listener: SessionOptions["listener"];
  readonly #timers = new Timers<keyof typeof endOfWait>();
  readonly #turn: Turn;
  readonly #ownership: Ownership;
  readonly #slot = new ConnectionSlot();
  #state: SessionState;

  constructor({ pod, egress, assignment, listener }: SessionOptions) {
    this.#pod = pod;
    this.#listener = listener;
    this.#ownership = new Ownership(pod);
    this.#state = newSession(assignment, egress);
    this.#turn = new Turn({
      onDue: (_bucket, endMs) => this.dispatch({ kind: "granted", endMs }),
      onQueueChange: () => listener.onQueueChange(),
    });
  }

  get device(): DeviceRef {
    return this.#state.assignment.device;
  }

  get report(): SessionReport {
    return reportOf(this.#state, this.#ownership.linkedAs);
  }

  /** The budget that this session waits for a start of. */
  get queued(): Bucket | undefined {
    return this.#turn.bucket;
  }

  /** Present while there is a socket, which needs an entitlement. */
  get connectedClaim(): Claim | undefined {
    return this.#slot.connection === undefined ? undefined : this.#ownership.claim;
  }

  get isConnected(): boolean {
    return this.#slot.connection !== undefined && this.#state.phase.kind === "Connected";
  }

  /** By the monotonic clock. */
  get storeHeardMs(): number {
    return this.#state.storeHeardMs;
  }

  grant(grant: Grant): void {
    this.#turn.grant(grant);
  }

  /** Present while it is connected. */
  get outbox(): Outbox | undefined {
    return this.isConnected ? this.#slot.connection?.outbox : undefined;
  }

  /** The client library failed somewhere in this session's context; late: in what an ended connection had begun. */
  fault(error: unknown, isLate: boolean): void {
    const entry = { device: this.device, fault: describe(error) };
    if (isLate || this.#slot.connection === undefined) return this.#pod.log.warn(entry, "late fault, ends nothing");
    this.#pod.metrics.sessionFaults.inc();
    this.#pod.log.error(entry, "session fault");
    this.dispatch({ kind: "cut", disconnect: { message: `session fault: ${describe(error)}` } });
  }

  /** Resolves when the device is let go: nothing of it is open or unwritten. */
  async stop(): Promise<void> {
    this.dispatch({ kind: "stopping" });
    await this.#slot.closed;
    this.dispatch({ kind: "stop" });
  }

  dispatch(event: SessionEvent): void {
    const at = { nowMs: Date.now(), uptimeMs: performance.now(), random: Math.random() };
    const [next, effects] = step(this.#state, event, at);
    this.#state = next;
    for (const effect of effects) this.#perform(effect);
    this.#listener.onReport(this.report);
  }

  #perform(effect: Effect): void {
    switch (effect.kind) {
      case "claim":
      case "askOwnership":
      case "archiveCredentials":
      case "eraseCredentials":
      case "logOut":
        return void this.#ask(effect).then((answer) => this.dispatch(answer));
      case "retryStoreIn":
      case "wakeIn":
      case "endWindowIn":
      case "endRestrictionIn":
        return this.#timers.set(effect.kind, effect.delayMs, () => this.dispatch({ kind: endOfWait[effect.kind] }));
      case "clearWaits":
        return this.#timers.clear("wakeIn", "endWindowIn");
      case "dropPlans":
        this.#turn.leave();
        return this.#timers.clearAll();
      case "requestGrant":
        return this.#turn.take(effect.bucket);
      case "connect":
        return this.#connect();
      case "closeSocket":
        return this.#slot.close();
      case "terminateSocket":
        return this.#slot.terminate();
      case "count":
        return this.#pod.metrics.count(effect);
      default:
        effect satisfies never;
    }
  }

  /** Questions that take their time; the session may be elsewhere when the answer comes, and then drops it. */
  async #ask(question: Question): Promise<SessionEvent> {
    const { run } = question;
    const isCurrent = (): boolean => run === this.#state.run;
    if (question.kind === "logOut") return { kind: "logoutAnswered", run, isConfirmed: await this.#slot.logOut() };
    if (question.kind === "askOwnership")
      return { kind: "ownershipAnswered", run, answer: await this.#ownership.ask() };
    await this.#slot.closed;
    if (question.kind !== "claim") return await this.#ownership.putAway(question, isCurrent);
    return { kind: "claimAnswered", run, answer: await this.#ownership.take(this.#state.assignment, isCurrent) };
  }

  #connect(): void {
    const { spec } = this.#state.assignment;
    const owned = this.#ownership.deviceToOpen(spec.browser);
    if (owned === undefined) return;
    try {
      const options = { pod: this.#pod, spec, ...owned };
      const generation = inContextOfNextConnection(this, () =>
        this.#slot.open(options, (event) => this.dispatch(event)),
      );
      this.dispatch({ kind: "dialed", generation });
    } catch (error) {
      this.dispatch({ kind: "closed", disconnect: { message: describe(error) } });
    }
  }
}
