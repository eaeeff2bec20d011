import { AsyncLocalStorage } from "node:async_hooks";
import { linkVersion, type HubFrame, type PodFrame, type SessionReport, type Welcome } from "@wa/schema";
import type { Logger } from "pino";
import { HubConnection } from "./hub-connection.ts";
import { framesOf, nothingOutgoing, withSession, type Outgoing } from "./outgoing.ts";
import { redialDelayMs, type LinkEnd } from "./redial.ts";
import { afterLowerTerm, noTerm, termAfter, type LowerTerms } from "./terms.ts";

/** Reports of one burst travel together, each session's newest alone. */
const coalesceMs = 20;

export type LeaderFrame = Exclude<HubFrame, { kind: "not-leader" | "refused" | "welcome" }>;
type Hello = Extract<PodFrame, { kind: "hello" }>;
type Egress = Extract<PodFrame, { kind: "egress" }>;
type GrantRequest = Extract<PodFrame, { kind: "grant-request" }>;

export interface HubLinkOptions {
  readonly url: string;
  readonly caPem: string;
  /** Asked at each dial: the token is rotated. */
  readonly readToken: () => Promise<string>;
  readonly log: Logger;
  /** Everything that is known, for a hub that knows nothing. */
  readonly snapshot: () => { readonly hello: Hello; readonly egress: Egress; readonly queue: GrantRequest };
  readonly onWelcome: (welcome: Welcome) => void;
  /** `sentAfterMs`: when the frame was surely not sent yet, by the monotonic clock. */
  readonly onFrame: (frame: LeaderFrame, sentAfterMs: number) => void;
  /** Every sign of life of the leader's link. */
  readonly onHeard: () => void;
}

/** Keeps a link to the leader's hub: dials for ever, says everything anew at each hello, and drops what a leader of before says. */
export class HubLink {
  readonly #options: HubLinkOptions;
  #connection: HubConnection | undefined;
  #end: LinkEnd = "Closed";
  #isWelcome = false;
  #isClosing = false;
  #term = noTerm;
  #lower: LowerTerms = {};
  #outgoing: Outgoing = nothingOutgoing;
  #flushTimer: NodeJS.Timeout | undefined;
  #redialTimer: NodeJS.Timeout | undefined;
  #lastLedMs = performance.now();
  /** Sessions report from their own contexts; a fault of the link is none of theirs. */
  readonly #flushSoon = AsyncLocalStorage.bind(() => {
    this.#flushTimer ??= setTimeout(() => this.#flush(), coalesceMs);
  });
  #onClosed: () => void = () => undefined;

  constructor(options: HubLinkOptions) {
    this.#options = options;
  }

  /** Milliseconds since a leader was last linked, or since the start. */
  get leaderlessMs(): number {
    return this.#isWelcome ? 0 : performance.now() - this.#lastLedMs;
  }

  /** @param term highest one that a memory of before holds */
  start(term: number = noTerm): void {
    this.#term = term;
    void this.#dial();
  }

  sendSession(report: SessionReport): void {
    this.#outgoing = withSession(this.#outgoing, report);
    this.#flushSoon();
  }

  sendQueue(queue: GrantRequest): void {
    this.#outgoing = { ...this.#outgoing, queue };
    this.#flushSoon();
  }

  sendEgress(egress: Egress): void {
    this.#outgoing = { ...this.#outgoing, egress };
    this.#flushSoon();
  }

  /** Sends what is left and ends the link for good. */
  async close(): Promise<void> {
    this.#isClosing = true;
    clearTimeout(this.#redialTimer);
    this.#flush();
    const connection = this.#connection;
    if (connection === undefined) return;
    await new Promise<void>((resolve) => {
      this.#onClosed = resolve;
      connection.close();
    });
  }

  async #dial(): Promise<void> {
    const { url, caPem, log } = this.#options;
    let token: string;
    try {
      token = (await this.#options.readToken()).trim();
    } catch {
      log.error("hub token cannot be read");
      return this.#redial("Closed");
    }
    if (this.#isClosing) return;
    this.#end = "Closed";
    this.#connection = new HubConnection({
      url,
      caPem,
      token,
      log,
      onOpen: () => this.#connection?.send(this.#options.snapshot().hello),
      onFrame: (frame, sentAfterMs) => this.#received(frame, sentAfterMs),
      onHeard: () => this.#heard(),
      onClose: () => this.#ended(),
    });
  }

  #ended(): void {
    this.#connection = undefined;
    if (this.#isWelcome) this.#options.log.warn("hub link lost");
    this.#isWelcome = false;
    this.#onClosed();
    this.#redial(this.#end);
  }

  #redial(end: LinkEnd): void {
    if (this.#isClosing) return;
    this.#redialTimer = setTimeout(() => void this.#dial(), redialDelayMs(end, Math.random()));
  }

  #heard(): void {
    // Only the leader's word counts: a replica that does not lead answers pings as well.
    if (!this.#isWelcome) return;
    this.#lastLedMs = performance.now();
    this.#options.onHeard();
  }

  #received(frame: HubFrame, sentAfterMs: number): void {
    const term = termAfter(this.#term, frame);
    if (term === undefined) return this.#dropped(frame);
    this.#term = term;
    if ("term" in frame) this.#lower = {};
    switch (frame.kind) {
      case "not-leader":
        return this.#leave("NotLeader");
      case "refused":
        this.#options.log.error({ reason: frame.reason, message: frame.message }, "hub refuses this pod");
        return this.#leave("Refused");
      case "welcome":
        return this.#welcomed(frame);
      case "assign":
      case "grant":
        if (this.#isWelcome) this.#options.onFrame(frame, sentAfterMs);
        return;
      default:
        frame satisfies never;
    }
  }

  /** What a leader says that was followed by another one; there may be no other any more, after a Lease that was put back. */
  #dropped(frame: HubFrame): void {
    const { log } = this.#options;
    const told = { frame: frame.kind, highestTerm: this.#term, ...("term" in frame && { term: frame.term }) };
    log.warn(told, "frame of a leader of before dropped");
    const { next, stuckForMs } = afterLowerTerm(this.#lower, performance.now());
    this.#lower = next;
    if (stuckForMs > 0) log.error({ ...told, forMs: Math.round(stuckForMs) }, "only leaders of lower terms are heard");
    if (frame.kind === "welcome") this.#leave("NotLeader");
  }

  #leave(end: LinkEnd): void {
    this.#end = end;
    this.#connection?.close();
  }

  #welcomed(welcome: Welcome): void {
    if (welcome.version !== linkVersion) {
      this.#options.log.error({ version: welcome.version, ours: linkVersion }, "hub speaks another version");
      return this.#leave("Refused");
    }
    this.#isWelcome = true;
    this.#options.log.info({ term: welcome.term }, "hub link up");
    this.#options.onWelcome(welcome);
    const { egress, queue } = this.#options.snapshot();
    this.#outgoing = { ...this.#outgoing, egress, queue };
    this.#flush();
  }

  #flush(): void {
    clearTimeout(this.#flushTimer);
    this.#flushTimer = undefined;
    const connection = this.#connection;
    // The next hello says it all.
    if (connection === undefined) this.#outgoing = nothingOutgoing;
    if (connection === undefined || !this.#isWelcome) return;
    for (const frame of framesOf(this.#outgoing)) connection.send(frame);
    this.#outgoing = nothingOutgoing;
  }
}
