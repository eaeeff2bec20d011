import { setTimeout as sleep } from "node:timers/promises";
import type { SessionSpec } from "@wa/schema";
import type { ClientDevice, ClientEvent, ClientSocket } from "./client.ts";
import type { Pod } from "./pod.ts";
import type { Claim, GenerationStore, OutboxMessage } from "./ports.ts";
import { describe } from "./ownership.ts";
import { Timers } from "./timers.ts";

/** Added to the connect timeout: the library gives up by itself in most cases, and knows better why. */
const startMarginMs = 10_000;
/** After the login the library asks the server several things one after another before it says `open`. */
const queriesBeforeOpen = 2;
const flushMs = 5_000;
const sendAttempts = 3;

/** What a session hears of its connection. */
export type ConnectionEvent =
  | Extract<ClientEvent, { kind: "qr" | "paired" | "open" | "closed" | "fenceLost" }>
  | { readonly kind: "pairingCode"; readonly code: string; readonly validMs: number };

export interface ConnectionOptions {
  readonly pod: Pod;
  readonly claim: Claim;
  readonly device: ClientDevice;
  readonly spec: SessionSpec;
  readonly onEvent: (event: ConnectionEvent) => void;
}

/** One socket with its generation of the store: its deadlines, its messages under way, its end. */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #store: GenerationStore;
  readonly #socket: ClientSocket;
  readonly #timers = new Timers<"start">();
  /** Messages handed to the socket, and how often each was tried; `Settled`: its fate is stored. */
  readonly #underWay = new Map<string, { attempts: number; state: "Waiting" | "NotSent" | "Settled" }>();
  #sending: Promise<void> = Promise.resolve();
  #isOver = false;
  #hasPairingCode = false;

  constructor(options: ConnectionOptions) {
    const { pod, claim, device, spec } = options;
    this.#options = options;
    this.#store = claim.openGeneration();
    this.#startWithin(spec.connectTimeoutMs + startMarginMs);
    this.#socket = device.open({
      url: pod.url,
      version: spec.clientVersion,
      connectTimeoutMs: spec.connectTimeoutMs,
      keepAliveIntervalMs: spec.keepAliveIntervalMs,
      queryTimeoutMs: spec.queryTimeoutMs,
      store: this.#store,
      dialer: pod.dialer,
      isProxied: pod.isProxied,
      onEvent: (event) => this.#heard(event),
    });
  }

  get generation(): number {
    return this.#store.generation;
  }

  async logOut(): Promise<void> {
    await this.#socket.logOut();
  }

  /** Hands those over that are not under way yet, one after another. Takes the whole list of what is queued in the store. */
  send(messages: readonly OutboxMessage[]): void {
    this.#forgetSettled(messages);
    for (const message of messages) {
      const known = this.#underWay.get(message.messageId) ?? { attempts: 0, state: "NotSent" };
      if (known.state !== "NotSent") continue;
      this.#underWay.set(message.messageId, { attempts: known.attempts + 1, state: "Waiting" });
      this.#sending = this.#sending.then(async () => await this.#sendOne(message));
    }
  }

  /** A list that was read before a fate was stored still names its message, which must not go out again; a later one does not. */
  #forgetSettled(messages: readonly OutboxMessage[]): void {
    const named = new Set(messages.map(({ messageId }) => messageId));
    for (const [messageId, { state }] of this.#underWay)
      if (state === "Settled" && !named.has(messageId)) this.#underWay.delete(messageId);
  }

  /** Ends it for good: what the socket wrote is committed, and nothing comes after. */
  async close(): Promise<void> {
    this.#over();
    await this.#socket.close();
    await this.#flush();
  }

  /** Ends it at once; the server is told nothing. */
  terminate(): void {
    this.#over();
    this.#socket.terminate();
    this.#store.close();
  }

  #over(): void {
    this.#isOver = true;
    this.#timers.clearAll();
  }

  async #flush(): Promise<void> {
    const flushed = this.#store.commit({}).catch(() => undefined);
    await Promise.race([flushed, sleep(flushMs, undefined, { ref: false })]);
    this.#store.close();
  }

  #heard(event: ClientEvent): void {
    if (this.#isOver) return;
    switch (event.kind) {
      case "accepted":
        this.#startWithin(queriesBeforeOpen * this.#options.spec.queryTimeoutMs + startMarginMs);
        return;
      case "qr":
        this.#timers.clear("start");
        if (this.#options.spec.pairing.method === "PairingCode") void this.#requestPairingCode();
        else this.#options.onEvent(event);
        return;
      case "paired":
      case "open":
        this.#timers.clear("start");
        this.#options.onEvent(event);
        return;
      case "received":
        this.#options.pod.metrics.received.inc({ redelivery: String(event.isRedelivery) });
        return;
      case "history":
        this.#options.pod.metrics.history.inc({ result: event.result });
        return;
      case "acknowledged":
        this.#settle(event.messageId, event.errorCode === undefined ? undefined : `server code ${event.errorCode}`);
        return;
      case "closed":
        this.#over();
        // What the dead socket still had to write belongs to the device; what it begins from now on does not.
        void this.#flush().then(() => this.#options.onEvent(event));
        return;
      case "fenceLost":
        this.terminate();
        this.#options.onEvent(event);
        return;
      default:
        event satisfies never;
    }
  }

  /** The server goes on sending QR codes; the first of them is the moment for the one pairing code. */
  async #requestPairingCode(): Promise<void> {
    if (this.#hasPairingCode) return;
    this.#hasPairingCode = true;
    const { phoneNumber, windowMs } = this.#options.spec.pairing;
    try {
      const code = await this.#socket.requestPairingCode(phoneNumber);
      if (!this.#isOver) this.#options.onEvent({ kind: "pairingCode", code, validMs: windowMs });
    } catch (error) {
      if (!this.#isOver) this.#giveUp(`no pairing code: ${describe(error)}`);
    }
  }

  #giveUp(message: string): void {
    this.terminate();
    this.#options.onEvent({ kind: "closed", disconnect: { statusCode: 408, message } });
  }

  #startWithin(limitMs: number): void {
    this.#timers.set("start", limitMs, () => this.#giveUp(`no answer within ${limitMs} ms`));
  }

  async #sendOne(message: OutboxMessage): Promise<void> {
    const { messageId } = message;
    if (this.#isOver) return;
    try {
      await this.#socket.send(message);
    } catch (error) {
      if (this.#isOver) return;
      const attempts = this.#underWay.get(messageId)?.attempts ?? 0;
      this.#options.pod.log.warn({ messageId, attempts }, "message not sent");
      if (attempts < sendAttempts) this.#underWay.set(messageId, { attempts, state: "NotSent" });
      else this.#settle(messageId, describe(error));
    }
  }

  /** The server has the message, or never will. */
  #settle(messageId: string, fault: string | undefined): void {
    const sent = this.#underWay.get(messageId);
    if (sent?.state !== "Waiting") return;
    const outcome = fault === undefined ? { state: "Sent" as const } : { state: "Failed" as const, error: fault };
    this.#store.commit({ outbox: [{ messageId, ...outcome }] }).then(
      () => {
        this.#underWay.set(messageId, { ...sent, state: "Settled" });
        this.#options.pod.metrics.sent.inc({ result: outcome.state });
      },
      // The generation is over: the row is still pending, and goes out again under the same id.
      () => undefined,
    );
  }
}
