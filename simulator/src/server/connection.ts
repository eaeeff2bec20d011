import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import { isOlder, type Moment } from "../scenarios/match.ts";
import type { Action, Rule, Stage } from "../scenarios/scenario.ts";
import { frame, FrameReader } from "../wire/frames.ts";
import { certificateChain } from "../wire/certificates.ts";
import { decodeNode, encodeNode, node, type Node } from "../wire/nodes.ts";
import { Handshake, type Transport } from "../wire/noise.ts";
import { decodeClientPayload, type ClientPayload } from "../wire/payloads.ts";
import type { Context } from "./context.ts";
import type { ConnectionRecord, Start } from "./counters.ts";
import { faultyBytes, type Fault } from "./faults.ts";
import type { Registration } from "./registration.ts";
import { nodeOf } from "./injection.ts";
import { startPings, type Pings } from "./pings.ts";
import { failure } from "./replies.ts";
import type { Account, LinkedDevice } from "./world.ts";

/** Real servers drop the TCP connection about this long after a failure, without a close frame. */
const dropAfterFailureMs = 100;

/** What a connection does once the handshake has said who is there; given from outside, so that this file knows no stanza. */
export interface Handlers {
  readonly begin: (connection: Connection, client: ClientPayload) => void;
  readonly stanza: (connection: Connection, stanza: Node) => Promise<void>;
}

/** Lets a rule's delay pass. */
export async function waited(rule: Rule): Promise<void> {
  if (rule.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, rule.delayMs));
}

/** Whether the usual answer must not follow. */
export const isInPlaceOfUsual = (action: Action): boolean =>
  action.kind === "send" ? !action.andUsual : action.kind !== "delay" && action.kind !== "certificate";

/** A logged-in companion. */
export interface LoggedIn {
  readonly name: string;
  readonly account: Account;
  readonly device: LinkedDevice;
}

/** One client connection from its first byte to its end. */
export class Connection {
  readonly context: Context;
  readonly record: ConnectionRecord;
  readonly #handlers: Handlers;
  readonly #socket: WebSocket;
  readonly #stream: Duplex;
  readonly #tcp: Socket;
  readonly #reader = new FrameReader();
  readonly #handshake: Handshake;
  #step: "hello" | "finish" | "open" | "silent" = "hello";
  #transport: Transport | undefined;
  #work: Promise<void> = Promise.resolve();
  #nextId = 1;
  #start: Start | undefined;
  clientStatic: Buffer = Buffer.alloc(0);
  registration: Registration | undefined;
  loggedIn: LoggedIn | undefined;
  pings: Pings | undefined;
  isReplaced = false;
  hasDeliveredOffline = false;

  constructor(
    context: Context,
    handlers: Handlers,
    link: { socket: WebSocket; stream: Duplex; tcp: Socket; record: ConnectionRecord },
  ) {
    this.context = context;
    this.#handlers = handlers;
    this.#socket = link.socket;
    this.#stream = link.stream;
    this.#tcp = link.tcp;
    this.record = link.record;
    this.#handshake = new Handshake(context.identity);
    link.socket.on("message", (data: Buffer) => this.#queue(() => this.#receive(data)));
    link.socket.on("close", () => this.#closed());
    link.socket.on("error", () => link.tcp.destroy());
  }

  newId(): string {
    return `${this.record.id}.${this.#nextId++}`;
  }

  send(stanza: Node): void {
    if (this.#transport && this.#step !== "silent" && this.#socket.readyState === this.#socket.OPEN)
      this.#socket.send(frame(this.#transport.encrypt(encodeNode(stanza))));
  }

  /** A failure or stream error, then what real servers do: no close frame, just a dropped connection. */
  refuse(stanza: Node): void {
    this.record.outcome = `${stanza.tag} ${stanza.attrs["reason"] ?? stanza.attrs["code"] ?? ""}`.trim();
    this.send(stanza);
    this.#step = "silent";
    setTimeout(() => this.#tcp.destroy(), dropAfterFailureMs).unref();
  }

  close(): void {
    this.#step = "silent";
    this.#socket.close(1000);
  }

  /** Destroys the TCP connection at once, as a crashed host would. */
  drop(): void {
    this.#tcp.resetAndDestroy();
  }

  /** The scenario's rule for this moment of this connection, counted as used. */
  ruled(stage: Stage, more: Partial<Moment> = {}): Rule | undefined {
    return this.context.director.take({ stage, source: this.record.source, ...this.#who(), ...more });
  }

  /** Lets a rule act at this stage; true when it did, and the usual answer must not follow. */
  async staged(stage: Stage, more: Partial<Moment> = {}): Promise<boolean> {
    const rule = this.ruled(stage, more);
    return rule !== undefined && (await this.#ruleActs(rule));
  }

  async #ruleActs(rule: Rule): Promise<boolean> {
    await waited(rule);
    this.act(rule.action);
    return isInPlaceOfUsual(rule.action);
  }

  act(action: Action): void {
    switch (action.kind) {
      case "failure":
        return this.refuse(node("failure", action.attrs));
      case "stream-error":
        return this.refuse(
          node("stream:error", action.attrs, action.child && [node(action.child.tag, action.child.attrs)]),
        );
      case "send":
        for (const stanza of action.stanzas) this.send(nodeOf(stanza));
        return undefined;
      case "ping":
        return startPings(this, action);
      case "silence":
        this.#step = "silent";
        return undefined;
      case "close":
        return this.close();
      case "reset":
        return this.drop();
      case "garbage":
      case "announce":
      case "undecryptable":
      case "broken-zlib":
      case "zip-bomb":
      case "node-bomb":
        return this.#spoil(action);
      default:
        return undefined; // a delay, or an answer that is given where the question is known
    }
  }

  #spoil(fault: Fault): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    const { layer, bytes } = faultyBytes(fault, this.#transport);
    if (layer === "websocket") this.#stream.write(bytes);
    else this.#socket.send(bytes);
  }

  #who(): Partial<Moment> {
    const { kind } = this.record;
    return {
      phone: this.loggedIn?.account.phone ?? this.registration?.phone,
      ...(kind !== undefined && { registration: kind === "registration" }),
    };
  }

  #queue(work: () => Promise<void>): void {
    this.#work = this.#work.then(work).catch((error: unknown) => {
      this.context.log.info(
        { connection: this.record.id, error: String(error) },
        "Ending a connection that broke the protocol",
      );
      this.record.outcome ??= "protocol error";
      this.#tcp.destroy();
    });
  }

  async #receive(data: Buffer): Promise<void> {
    for (const received of this.#reader.push(data).frames) await this.#handle(received);
  }

  async #handle(received: Buffer): Promise<void> {
    switch (this.#step) {
      case "hello":
        return await this.#hello(received);
      case "finish":
        return await this.#finish(received);
      case "open":
        return await this.#stanza(received);
      case "silent":
        return this.#countLate(received);
      default:
        return this.#step satisfies never;
    }
  }

  async #hello(received: Buffer): Promise<void> {
    const rule = this.ruled("hello");
    const reply = this.#handshake.serverHello(received, this.#chainBy(rule?.action));
    if (rule !== undefined && (await this.#ruleActs(rule))) return;
    this.#step = "finish";
    this.#socket.send(frame(reply));
  }

  #chainBy(action: Action | undefined): Buffer | undefined {
    return action?.kind === "certificate"
      ? certificateChain(this.context.identity, Date.now() / 1_000, action)
      : undefined;
  }

  async #finish(received: Buffer): Promise<void> {
    const { clientStatic, payload, transport } = this.#handshake.finish(received);
    this.#transport = transport;
    this.clientStatic = clientStatic;
    this.#step = "open";
    const client = decodeClientPayload(payload);
    this.#countStart(client);
    const phone = client.kind === "login" ? client.phone : undefined;
    if (await this.staged("finish", { phone })) return;
    if (isOlder(client.clientVersion, this.context.director.scenario.minimumVersion))
      return this.refuse(failure("405"));
    this.#handlers.begin(this, client);
  }

  #countStart(client: ClientPayload): void {
    const { kind, clientVersion } = client;
    this.#start = { kind, clientVersion, time: new Date().toISOString() };
    this.record.kind = kind;
    this.context.counters.started(this.record.source, this.#start);
    if (client.kind === "login") this.isFor(`${client.phone}:${client.device}`);
  }

  /** Notes the device, `phone:device`, that this connection and its start are for. */
  isFor(device: string): void {
    this.record.device = device;
    if (this.#start) this.#start.device = device;
  }

  async #stanza(received: Buffer): Promise<void> {
    const transport = this.#transport;
    if (!transport) return;
    const stanza = await decodeNode(transport.decrypt(received));
    await this.#handlers.stanza(this, stanza);
  }

  /** What a replaced client still sends is not answered, but it is counted: it believes that it owns the device. */
  async #countLate(received: Buffer): Promise<void> {
    if (!this.isReplaced || !this.loggedIn || !this.#transport) return;
    const stanza = await decodeNode(this.#transport.decrypt(received));
    const counters = this.context.counters.device(this.loggedIn.name);
    counters.framesFromOldSocket += 1;
    counters.stanzasFromOldSocket.push(stanza.tag);
  }

  #closed(): void {
    this.record.closedAt = new Date().toISOString();
    this.context.waiting.delete(this);
    this.pings?.stop();
    if (!this.loggedIn) return;
    this.context.counters.device(this.loggedIn.name).socketsNow -= 1;
    if (this.context.online.get(this.loggedIn.name) === this) this.context.online.delete(this.loggedIn.name);
  }
}
