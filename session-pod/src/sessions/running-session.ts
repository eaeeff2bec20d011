import type { Assignment, Bucket, Grant, SessionReport } from "@wa/schema";
import { reportOf, type Standing } from "../session/report.ts";
import type { Effect, SessionEvent, SessionState } from "../session/state.ts";
import { newSession, step } from "../session/step.ts";
import type { ClientDevice } from "./client.ts";
import { Connection, type ConnectionEvent } from "./connection.ts";
import { inContextOfNextConnection } from "./faults.ts";
import { announcedVersion, type Pod, type SessionOptions } from "./pod.ts";
import { askOwnership, describe, storeRetryMs, takeDevice, untilStored } from "./ownership.ts";
import type { Outbox } from "./outbox.ts";
import type { Claim } from "./ports.ts";
import { Timers } from "./timers.ts";
import { Turn } from "./turn.ts";

/** Performs what the pure session decides: owns the claim, the connection, the timers and the place in the queue. */
export class RunningSession {
  readonly #options: SessionOptions;
  readonly #pod: Pod;
  readonly #timers = new Timers<"wake" | "window" | "store">();
  readonly #turn: Turn;
  #assignment: Assignment;
  #state: SessionState;
  #standing: Standing = { kind: "Claiming" };
  #claim: Claim | undefined;
  #device: ClientDevice | undefined;
  #connection: Connection | undefined;
  #generation = 0;
  /** Raised by everything that makes waiting work obsolete. */
  #life = 0;
  #published = "";
  /** When the store last confirmed the claim, by a monotonic clock. */
  storeHeardMs = performance.now();

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#pod = options.pod;
    this.#assignment = options.assignment;
    this.#state = newSession(options.assignment.desired);
    this.#turn = new Turn({
      onDue: (bucket, endMs) => void this.#startDue(bucket, endMs),
      onQueueChange: () => options.listener.onQueueChange(),
    });
  }

  get report(): SessionReport {
    return reportOf({
      assignment: this.#assignment,
      standing: this.#standing,
      state: this.#state,
      generation: this.#generation,
      clientVersion: this.#version,
      observedIP: this.#options.situation.observedIP,
      linkedAs: this.#device?.isPaired === true ? this.#device.browser : undefined,
    });
  }

  /** The budget that this session waits for a start of. */
  get queued(): Bucket | undefined {
    return this.#turn.bucket;
  }

  /** Present while there is a socket, which needs an entitlement. */
  get connectedClaim(): Claim | undefined {
    return this.#connection === undefined ? undefined : this.#claim;
  }

  get isConnected(): boolean {
    return this.#connection !== undefined && this.#state.phase.kind === "Connected";
  }

  /** Does nothing once the session was stopped. */
  start(): void {
    if (this.#state.phase.kind !== "Resting") void this.#takeClaim();
  }

  /** The same device, assigned anew: a raised epoch is claimed, all else applies from the next connection on. */
  assign(next: Assignment): void {
    const before = this.#assignment;
    this.#assignment = next;
    this.#state = { ...this.#state, desired: next.desired };
    if (next.epoch !== before.epoch) void this.#disconnect().then(() => this.#takeClaim());
    else this.#react(before, next);
    this.#publish();
  }

  /** What the proxy's login was refused for may be mended: no reason to wait any longer. */
  proxyLoginChanged(): void {
    this.#dispatch({ kind: "proxyLoginChanged" });
  }

  /** The pod's client version or way out changed. */
  situationChanged(): void {
    if (this.#standing.kind === "EgressUnready" && this.#options.situation.egressProblem === undefined)
      this.#askAgain();
    this.#publish();
  }

  grant(grant: Grant): void {
    this.#turn.grant(grant);
  }

  /** Present while it is connected. */
  get outbox(): Outbox | undefined {
    return this.isConnected ? this.#connection?.outbox : undefined;
  }

  /** The client library failed somewhere in this session's context; late: in what an ended connection had begun. */
  fault(error: unknown, isLate: boolean): void {
    const entry = { device: this.#assignment.device, fault: describe(error) };
    if (isLate || this.#connection === undefined) return this.#pod.log.warn(entry, "late fault, ends nothing");
    this.#pod.metrics.sessionFaults.inc();
    this.#pod.log.error(entry, "session fault");
    this.#cut(`session fault: ${describe(error)}`);
  }

  /** Neither the operator nor the store answered for too long: somebody else may run the device now. */
  loseEntitlement(): void {
    this.#pod.log.error({ device: this.#assignment.device }, "entitlement lost");
    this.#cut("neither the operator nor the store answered", 408);
  }

  async stop(): Promise<void> {
    await this.#disconnect();
    this.#dispatch({ kind: "stop" });
  }

  get #version(): string {
    return announcedVersion(this.#assignment.spec, this.#options);
  }

  #react(before: Assignment, next: Assignment): void {
    const isResting = this.#state.phase.kind === "Resting";
    const isOutdated = this.#state.lastDisconnect?.cause === "ClientOutdated";
    const isAskedAgain =
      next.pairRequestedAt !== before.pairRequestedAt ||
      next.desired !== before.desired ||
      (isOutdated && next.spec.clientVersion !== before.spec.clientVersion);
    if (isResting && isAskedAgain) this.#begin();
    else if (next.desired === "LoggedOut" && before.desired === "Running" && this.isConnected) void this.#logOut();
  }

  /** Nothing of before goes on: no timer, no place in the queue, no socket. */
  async #disconnect(): Promise<void> {
    this.#life += 1;
    this.#turn.leave();
    this.#timers.clearAll();
    await this.#close();
  }

  async #close(): Promise<void> {
    await this.#letGo()?.close();
  }

  #letGo(): Connection | undefined {
    const connection = this.#connection;
    this.#connection = undefined;
    return connection;
  }

  #cut(message: string, statusCode?: number): void {
    const connection = this.#letGo();
    if (connection === undefined) return;
    connection.terminate();
    const disconnect = { message, ...(statusCode !== undefined && { statusCode }) };
    this.#dispatch({ kind: "closed", disconnect, clientVersion: this.#version });
  }

  async #takeClaim(): Promise<void> {
    this.#life += 1;
    const life = this.#life;
    this.#state = this.#fresh();
    this.#stand({ kind: "Claiming" });
    const taken = await takeDevice(this.#pod, this.#assignment);
    if (life !== this.#life) return;
    if (taken.kind === "NotOwned") {
      this.#stand(taken.standing);
      if (taken.isRetried) this.#timers.set("store", storeRetryMs, () => void this.#takeClaim());
      return;
    }
    this.#claim = taken.claim;
    this.#device = taken.device;
    this.storeHeardMs = performance.now();
    this.#begin();
  }

  #fresh(): SessionState {
    const { lastDisconnect } = this.#state;
    return newSession(this.#assignment.desired, { lastDisconnect, identity: this.#device?.identity });
  }

  #begin(): void {
    this.#standing = { kind: "Running" };
    this.#state = this.#fresh();
    const { isPaired = false, hasLoggedIn = false } = this.#device ?? {};
    this.#dispatch({ kind: "started", isPaired, hasLoggedIn });
  }

  /** Asked before the wait for a start and before the start: an owner of before must not push out the new one. */
  async #isOwner(): Promise<boolean> {
    const life = this.#life;
    const answer = await askOwnership(this.#claim);
    if (life !== this.#life) return false;
    if (answer.kind === "Owned") this.storeHeardMs = performance.now();
    if (answer.kind === "Lost") void this.#takeClaim();
    if (answer.kind === "StoreUnavailable") {
      this.#stand(answer);
      this.#timers.set("store", storeRetryMs, () => this.#askAgain());
    }
    return answer.kind === "Owned";
  }

  #askAgain(): void {
    const { phase } = this.#state;
    if (phase.kind === "WaitingForGrant") void this.#askForStart(phase.bucket);
  }

  async #askForStart(bucket: Bucket): Promise<void> {
    const { egressProblem } = this.#options.situation;
    if (egressProblem !== undefined) return this.#stand({ kind: "EgressUnready", ...egressProblem });
    if (!(await this.#isOwner())) return;
    this.#stand({ kind: "Running" });
    this.#turn.take(bucket);
  }

  async #startDue(bucket: Bucket, endMs: number): Promise<void> {
    if (!(await this.#isOwner())) return;
    // The store took longer than the grant lasts: a start now would be one that nobody counts.
    if (performance.now() > endMs) return this.#turn.take(bucket);
    this.#pod.metrics.connects.inc({ bucket });
    this.#dispatch({ kind: "granted" });
  }

  #connect(): void {
    const claim = this.#claim;
    if (claim === undefined) return;
    // An unlinked device starts afresh each time: what a given-up pairing left behind would be refused as logged out.
    const device =
      this.#device?.isPaired === true ? this.#device : this.#pod.library.create(this.#assignment.spec.browser);
    this.#device = device;
    try {
      const options = { pod: this.#pod, claim, device, spec: this.#assignment.spec, version: this.#version };
      const onEvent = (event: ConnectionEvent): void => {
        if (this.#connection === connection) this.#heard(event);
      };
      const connection = inContextOfNextConnection(this, () => new Connection({ ...options, onEvent }));
      this.#connection = connection;
      this.#generation = connection.generation;
    } catch (error) {
      this.#dispatch({ kind: "closed", disconnect: { message: describe(error) }, clientVersion: this.#version });
    }
  }

  #heard(event: ConnectionEvent): void {
    switch (event.kind) {
      case "qr":
      case "pairingCode":
      case "paired":
      case "open":
        return this.#dispatch(event);
      case "closed":
        this.#connection = undefined;
        return this.#dispatch({ ...event, clientVersion: this.#version });
      case "fenceLost":
        this.#connection = undefined;
        return void this.#takeClaim();
      default:
        event satisfies never;
    }
  }

  async #logOut(): Promise<void> {
    const connection = this.#connection;
    if (connection === undefined || !(await this.#isOwner())) return;
    try {
      await connection.logOut();
    } catch {
      if (this.#connection === connection) this.#cut("the server did not confirm the logout", 408);
      return;
    }
    await this.#close();
    await this.#erase();
  }

  async #erase(): Promise<void> {
    await this.#untilStored(async (claim) => await claim.erase());
    this.#dispatch({ kind: "loggedOut" });
  }

  async #untilStored(work: (claim: Claim) => Promise<void>, next: "rest" | "begin" = "rest"): Promise<void> {
    const life = this.#life;
    const outcome = await untilStored(async () => {
      if (life === this.#life && this.#claim !== undefined) await work(this.#claim);
    });
    if (life !== this.#life) return;
    this.#device = undefined;
    if (outcome === "Lost") void this.#takeClaim();
    else if (next === "begin") this.#begin();
  }

  #dispatch(event: SessionEvent): void {
    const circumstances = { spec: this.#assignment.spec, nowMs: Date.now(), random: Math.random() };
    const [next, effects] = step(this.#state, event, circumstances);
    this.#state = next;
    if (next.phase.kind === "Resting") this.#timers.clear("wake", "window");
    for (const effect of effects) this.#perform(effect);
    this.#publish();
  }

  #perform(effect: Effect): void {
    switch (effect.kind) {
      case "requestGrant":
        return void this.#askForStart(effect.bucket);
      case "connect":
        return this.#connect();
      case "closeSocket":
        return void this.#close();
      case "wakeIn":
        return this.#timers.set("wake", effect.delayMs, () => this.#dispatch({ kind: "retryDue" }));
      case "endWindowIn":
        return this.#timers.set("window", effect.delayMs, () => this.#dispatch({ kind: "windowEnded" }));
      case "archiveCredentials":
        return void this.#untilStored(async (claim) => await claim.archive(effect.reason));
      case "startAfresh":
        return void this.#untilStored(async (claim) => await claim.archive(effect.reason), "begin");
      case "eraseCredentials":
        return void this.#erase();
      case "logOut":
        return void this.#logOut();
      case "count":
        if (effect.what === "qr") return this.#pod.metrics.qrCodes.inc();
        return this.#pod.metrics.disconnected(effect.cause ?? "Unknown");
      default:
        effect satisfies never;
    }
  }

  #stand(standing: Standing): void {
    this.#standing = standing;
    this.#publish();
  }

  #publish(): void {
    const { report } = this;
    const text = JSON.stringify(report);
    if (text === this.#published) return;
    this.#published = text;
    this.#options.listener.onReport(report);
  }
}
