import { setTimeout as sleep } from "node:timers/promises";
import type { SessionSpec } from "@wa/schema";
import type { Disconnect } from "../session/causes.ts";
import { PairingRefusedError, type ClientDevice, type ClientEvent, type ClientSocket } from "./client.ts";
import type { Pod } from "./pod.ts";
import { Outbox } from "./outbox.ts";
import type { Claim, GenerationStore } from "./ports.ts";
import { describe } from "./ownership.ts";
import { Timers } from "./timers.ts";

/** Added to the connect timeout: the library gives up by itself in most cases, and knows better why. */
const startMarginMs = 10_000;
/** After the login the library asks the server several things one after another before it says `open`. */
const queriesBeforeOpen = 2;
const flushMs = 5_000;

/** What a session hears of its connection. */
export type ConnectionEvent =
  | Extract<
      ClientEvent,
      { kind: "qr" | "linkStage" | "paired" | "open" | "closed" | "fenceLost" | "restricted" | "unrestricted" }
    >
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
  readonly #outbox: Outbox;
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
    this.#outbox = new Outbox({
      pod,
      store: this.#store,
      socket: this.#socket,
      limits: pod.outboxLimits,
      onDeaf: (message) => void this.#flush().then(() => this.#giveUp({ statusCode: 408, message })),
    });
  }

  get generation(): number {
    return this.#store.generation;
  }

  async logOut(): Promise<void> {
    await this.#socket.logOut();
  }

  get outbox(): Outbox {
    return this.#outbox;
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
    this.#outbox.end();
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
      case "linkStage":
      case "restricted":
      case "unrestricted":
        this.#options.onEvent(event);
        return;
      case "paired":
      case "open":
        this.#timers.clear("start");
        this.#options.onEvent(event);
        return;
      case "received":
        this.#options.pod.metrics.received.inc({ redelivery: String(event.isRedelivery) });
        if (!event.isRedelivery) this.#options.pod.metrics.incoming.inc({ result: "Read" });
        return;
      case "unread":
        this.#options.pod.metrics.incoming.inc({ result: event.missing });
        return;
      case "history":
        this.#options.pod.metrics.history.inc({ result: event.result });
        return;
      case "acknowledged":
        this.#outbox.acknowledged(event.messageId, event.fault);
        return;
      case "readdressed":
        this.#options.pod.log.info({ messageId: event.messageId }, "the server names another number; sent there");
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
      if (!this.#isOver) this.#giveUp({ message: `no pairing code: ${describe(error)}`, ...whyNoCode(error) });
    }
  }

  #giveUp(disconnect: Disconnect): void {
    this.terminate();
    this.#options.onEvent({ kind: "closed", disconnect });
  }

  #startWithin(limitMs: number): void {
    this.#timers.set("start", limitMs, () =>
      this.#giveUp({ statusCode: 408, message: `no answer within ${limitMs} ms` }),
    );
  }
}

const whyNoCode = (error: unknown): Partial<Disconnect> =>
  error instanceof PairingRefusedError ? { statusCode: error.code, pairingRefusal: error.code } : { statusCode: 408 };
