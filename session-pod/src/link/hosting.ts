import { isDeepStrictEqual } from "node:util";
import {
  linkVersion,
  podAbilities,
  type AssignFrame,
  type Assignment,
  type PodFrame,
  type SessionReport,
  type Welcome,
} from "@wa/schema";
import type { Logger } from "pino";
import type { Dialer, ProxyLogin } from "../sessions/ports.ts";
import type { Sessions } from "../sessions/sessions.ts";
import { asTold, newChargeId, worthTelling, type Charge } from "./charges.ts";
import { HubLink, type LeaderFrame } from "./hub-link.ts";
import { inWordsOf } from "./known-causes.ts";
import { onArrival } from "./late-grants.ts";
import type { StoreProblem } from "./late-store.ts";
import { noSelfGrants, planSelfGrants, type SelfGrants, type Waiting } from "./self-grants.ts";
import type { StateFile } from "./state-file.ts";
import { isAtRest, withoutResting, type StateMemory } from "./state-memory.ts";
import { blockingProblem, egressFrame, unknownWayOut, type WayOut } from "./way-out.ts";
import { WayOutWatch } from "./way-out-watch.ts";

/** Longer than a change of leader takes when all goes well. */
const leaderPatienceMs = 10_000;
const tickMs = 500;
const selfGrantValidMs = 30_000;

type Hello = Extract<PodFrame, { kind: "hello" }>;

/** What a welcome decides: made once in a process. */
export interface Workplace {
  readonly sessions: Sessions;
  /** What the client library announces by itself. */
  readonly defaultVersion: string;
  /** Another URL of the store: taken up under the sessions, or told as a problem. */
  readonly useStore: (url: string) => void;
  readonly observeIP: Dialer["observeIP"];
  readonly lookAtProxyLogin: () => Promise<ProxyLogin>;
  readonly close: () => Promise<void>;
}

export interface HostingOptions extends Pick<Hello, "endpoint" | "pod"> {
  readonly hubUrl: string;
  readonly hubCaPem: string;
  readonly log: Logger;
  readonly file: StateFile;
  readonly readToken: () => Promise<string>;
  readonly openWorkplace: (welcome: Welcome) => Workplace;
  /** The operator's settings differ from those that this process works with: it has to start anew. */
  readonly onOutdated: () => void;
}

/** Runs what the operator assigns, tells it how that goes, and carries on from memory while no operator answers. */
export class Hosting {
  readonly #options: HostingOptions;
  readonly #link: HubLink;
  #memory: StateMemory | undefined;
  #welcome: Welcome | undefined;
  #assign: AssignFrame | undefined;
  #workplace: Workplace | undefined;
  #watch: WayOutWatch | undefined;
  #wayOut: WayOut = unknownWayOut;
  #storeProblem: StoreProblem | undefined;
  #selfGrants: SelfGrants = noSelfGrants;
  #charges: readonly Charge[] = [];
  readonly #resting = new Set<string>();
  #ticker: NodeJS.Timeout | undefined;
  #isStopping = false;

  constructor(options: HostingOptions) {
    this.#options = options;
    this.#link = new HubLink({
      url: options.hubUrl,
      caPem: options.hubCaPem,
      readToken: options.readToken,
      log: options.log,
      snapshot: () => ({
        hello: this.#hello(),
        egress: this.#egress(),
        queue: { kind: "grant-request", requests: [...this.#queue] },
      }),
      onWelcome: (welcome) => this.#welcomed(welcome),
      onFrame: (frame, sentAfterMs) => this.#told(frame, sentAfterMs),
      onHeard: () => this.#workplace?.sessions.linkHeard(),
    });
  }

  /** Why this pod cannot take sessions; undefined: it can. */
  get notReady(): string | undefined {
    if (this.#isStopping) return "the pod is ending";
    return this.#workplace === undefined ? "no operator has told this pod what to work with" : undefined;
  }

  /** Number of sessions by state. */
  countStates(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { state } of this.#workplace?.sessions.reports() ?? []) counts[state] = (counts[state] ?? 0) + 1;
    return counts;
  }

  async start(): Promise<void> {
    this.#memory = await this.#options.file.read();
    this.#selfGrants = { startedMs: this.#memory?.selfStartedMs ?? {}, dueMs: {} };
    this.#charges = (this.#memory?.charges ?? []).map((charge) => ({ ...charge, id: charge.id ?? newChargeId() }));
    this.#link.start(this.#memory?.welcome.term);
    this.#ticker = setInterval(() => this.#tick(), tickMs);
  }

  /** Closes every session, tells the hub that they are released, and ends the link. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    clearInterval(this.#ticker);
    this.#watch?.close();
    await this.#workplace?.sessions.stop();
    await this.#link.close();
    await this.#options.file.flushed();
    await this.#workplace?.close();
  }

  /** What the operator shall know of the store; undefined: all is as it told. */
  storeProblem(problem: StoreProblem | undefined): void {
    this.#storeProblem = problem;
    this.#link.sendEgress(this.#egress());
  }

  #egress(): Extract<PodFrame, { kind: "egress" }> {
    const store = this.#storeProblem;
    return { ...egressFrame(this.#wayOut), ...(store && { store: { ...store } }) };
  }

  get #queue(): readonly Waiting[] {
    return this.#workplace?.sessions.grantQueue() ?? [];
  }

  #hello(): Hello {
    const { endpoint, pod } = this.#options;
    const now = { dateMs: Date.now(), uptimeMs: performance.now() };
    this.#charges = worthTelling(this.#charges, now);
    return {
      kind: "hello",
      version: linkVersion,
      endpoint,
      pod,
      abilities: [podAbilities.storeLogin, podAbilities.lateGrants],
      // Nobody knows yet who listens: the operator of before may have been a newer one.
      sessions: (this.#workplace?.sessions.reports() ?? []).map((report) => inWordsOf({}, report)),
      selfGranted: this.#charges.map((charge) => asTold(charge, now)),
    };
  }

  #welcomed(welcome: Welcome): void {
    if (this.#isStopping) return;
    const charged = new Set(welcome.charged);
    this.#charges = this.#charges.filter(({ id }) => !charged.has(id));
    this.#workWith(welcome);
    this.#save();
    // What the hello had to say in older words.
    for (const report of this.#workplace?.sessions.reports() ?? [])
      if (welcome.causes !== undefined && inWordsOf({}, report) !== report)
        this.#link.sendSession(this.#worded(report));
  }

  #told(frame: LeaderFrame, sentAfterMs: number): void {
    if (this.#isStopping) return;
    switch (frame.kind) {
      case "assign":
        this.#assign = frame;
        this.#save();
        void this.#applyAssignments();
        return;
      case "grant":
        for (const grant of frame.grants)
          this.#workplace?.sessions.grant(onArrival(grant, performance.now() - sentAfterMs));
        return;
      default:
        frame satisfies never;
    }
  }

  #workWith(welcome: Welcome): void {
    const before = this.#welcome;
    this.#welcome = welcome;
    if (before === undefined || this.#workplace === undefined) return this.#open(welcome);
    if (!isDeepStrictEqual(fixedBy(before), fixedBy(welcome))) return this.#options.onOutdated();
    if (welcome.store.url !== before.store.url) this.#workplace.useStore(welcome.store.url);
    if (welcome.whatsapp.clientVersion !== before.whatsapp.clientVersion) void this.#applyAssignments();
  }

  #open(welcome: Welcome): void {
    const workplace = this.#options.openWorkplace(welcome);
    const { observeIP, lookAtProxyLogin, sessions } = workplace;
    this.#workplace = workplace;
    this.#watch = new WayOutWatch({
      observeIP,
      lookAtProxyLogin,
      onChange: (wayOut) => this.#wayOutChanged(wayOut),
      onProxyLoginChanged: () => sessions.proxyLoginChanged(),
    });
    workplace.sessions.onReport((report) => this.#reported(report));
    workplace.sessions.onGrantQueue(() =>
      this.#link.sendQueue({ kind: "grant-request", requests: [...workplace.sessions.grantQueue()] }),
    );
  }

  #reported(report: SessionReport): void {
    const { uid } = report.device;
    this.#link.sendSession(this.#worded(report));
    if (isAtRest(report) === this.#resting.has(uid)) return;
    if (isAtRest(report)) this.#resting.add(uid);
    else this.#resting.delete(uid);
    this.#save();
  }

  #worded(report: SessionReport): SessionReport {
    return inWordsOf(this.#welcome ?? {}, report);
  }

  /** Not before the way out was looked at: a session must not start over a proxy whose Secret is missing. */
  async #applyAssignments(): Promise<void> {
    await this.#watch?.looked;
    if (this.#isStopping || this.#workplace === undefined || this.#assign === undefined) return;
    this.#watch?.setEchoUrls(this.#assign.egressIPEndpoints);
    const fallback = this.#welcome?.whatsapp.clientVersion ?? "";
    const autoVersion = fallback === "" ? this.#workplace.defaultVersion : fallback;
    this.#workplace.sessions.setAssignments(withVersions(this.#assign.assignments, autoVersion));
  }

  #wayOutChanged(wayOut: WayOut): void {
    this.#wayOut = wayOut;
    // The hub hears of an address before it hears of starts over it.
    this.#link.sendEgress(this.#egress());
    this.#workplace?.sessions.setEgress({ problem: blockingProblem(wayOut), observedIP: wayOut.observedIP });
  }

  #tick(): void {
    const isLeaderless = this.#link.leaderlessMs >= leaderPatienceMs;
    if (isLeaderless && this.#workplace === undefined && this.#memory !== undefined) this.#restore(this.#memory);
    const nowMs = Date.now();
    const { next, starts } = planSelfGrants(this.#selfGrants, {
      queue: this.#queue,
      isLeaderless,
      nowMs,
      random: Math.random,
    });
    this.#selfGrants = next;
    if (starts.length === 0) return;
    const uptimeMs = performance.now();
    const made = starts.map(({ device, bucket }) => ({ device, bucket, atMs: nowMs, uptimeMs, id: newChargeId() }));
    this.#charges = worthTelling([...this.#charges, ...made], { dateMs: nowMs, uptimeMs });
    this.#save();
    for (const { device, bucket } of starts) {
      this.#options.log.warn({ device }, "started without a leader");
      const grant = { device, bucket, nonce: "self", startInMs: 0, validForMs: selfGrantValidMs };
      this.#workplace?.sessions.grant(grant);
    }
  }

  #restore({ welcome, assign }: StateMemory): void {
    this.#options.log.warn({ sessions: assign.assignments.length }, "no operator answers: going on from memory");
    this.#assign = assign;
    this.#workWith(welcome);
    void this.#applyAssignments();
  }

  #save(): void {
    if (this.#welcome === undefined || this.#assign === undefined) return;
    this.#options.file.save({
      version: 1,
      welcome: withoutCharged(this.#welcome),
      assign: withoutResting(this.#assign, this.#resting),
      selfStartedMs: this.#selfGrants.startedMs,
      charges: this.#charges.map(({ uptimeMs: _ofThisProcess, ...charge }) => charge),
    });
  }
}

/** An operator of 0.1 leaves "Auto" to the pod. What a session is assigned names the version that it announces. */
function withVersions(assignments: readonly Assignment[], autoVersion: string): Assignment[] {
  return assignments.map((assignment) => {
    const { spec } = assignment;
    return spec.clientVersion === "Auto"
      ? { ...assignment, spec: { ...spec, clientVersion: autoVersion } }
      : assignment;
  });
}

/** What a welcome acknowledged counts once. */
function withoutCharged({ charged: _once, ...welcome }: Welcome): Welcome {
  return welcome;
}

/** What cannot change under running sessions. The store's URL may: where it names another one, that waits for the next start. */
function fixedBy({ installation, canaryKeyBase64, whatsapp }: Welcome) {
  const { clientVersion: _version, ...server } = whatsapp;
  return { installation, canaryKeyBase64, server };
}
