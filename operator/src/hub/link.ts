import type { Duplex } from "node:stream";
import { linkTiming, type HubFrame, type PodFrame } from "@wa/schema";
import type { RawData, WebSocket } from "ws";
import type { Inflow } from "./inflow.ts";
import { mostFrameBytes, mostHelloBytes } from "./frame-text.ts";
import { parseFrame } from "./parse-frame.ts";

/** For the other end's goodbye; `ws` itself waits half a minute. */
const goodbyeMs = 1_000;
/** Of what a pod has not taken yet: twenty times the largest set of assignments. Pods take what they get within milliseconds. */
const mostUnreadBytes = 8 * 1024 * 1024;
/** A read of a socket takes at most this much; what comes after a frame's end is not of the frame. */
const mostReadBytes = 64 * 1024;

/** What the hub does with a link's events. */
export interface LinkHandlers {
  readonly onFrame: (frame: PodFrame) => void;
  /** A frame that is not the schema's; names fields and what is allowed, never values. */
  readonly onBadFrame: (fault: string) => void;
  readonly onHeard: () => void;
  /** Its hello is a large one: it reads on when `goOn` is called. */
  readonly onLargeHello: (goOn: () => void) => void;
  readonly onClose: () => void;
}

export interface LinkEnds {
  readonly socket: WebSocket;
  /** What the socket reads from. */
  readonly stream: Duplex;
  readonly inflow: Inflow;
}

/** Says one last thing. What comes meanwhile is thrown away as it comes: an end before it was taken would reset the connection under the answer. */
export function farewell({ socket, stream }: Omit<LinkEnds, "inflow">, frame?: HubFrame): void {
  if (socket.readyState === socket.OPEN && frame !== undefined) socket.send(JSON.stringify(frame));
  stream.removeAllListeners("data");
  stream.resume();
  socket.close(1000);
  const goodbye = setTimeout(() => socket.terminate(), goodbyeMs);
  socket.once("close", () => clearTimeout(goodbye));
}

/** One pod's WebSocket: frames in and out, its death noticed, and neither way without a bound. Not read until {@link Link.open}. */
export class Link {
  readonly #socket: WebSocket;
  readonly #stream: Duplex;
  readonly #handlers: LinkHandlers;
  readonly #inflow: Inflow;
  readonly #pinger: NodeJS.Timeout;
  #heardMs = performance.now();
  #isLeaving = false;
  /** Frames that have come and wait for their turn: no more than one read brings. */
  readonly #frames: RawData[] = [];
  #frameBytes = 0;
  #hasHello = false;
  #isLarge = false;
  #pong: Buffer | undefined;
  #nextSet: HubFrame | undefined;
  #isSetUnderWay = false;

  constructor({ socket, stream, inflow }: LinkEnds, handlers: LinkHandlers) {
    this.#socket = socket;
    this.#stream = stream;
    this.#handlers = handlers;
    this.#inflow = inflow;
    socket.pause();
    this.#pinger = setInterval(() => this.#checkLife(), linkTiming.pingIntervalMs);
    socket.on("message", (data, isBinary) => this.#came(data, isBinary));
    socket.on("pong", () => this.#alive());
    socket.on("ping", (data) => this.#pinged(data));
    socket.on("error", (error) => this.#failed(error));
    socket.on("close", () => this.#closed());
    stream.on("data", (chunk: Buffer) => this.#read(chunk.length));
  }

  /** Reads from now on. */
  open(): void {
    this.#socket.resume();
  }

  send(frame: HubFrame): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    if (this.#socket.bufferedAmount > mostUnreadBytes) return this.drop();
    this.#socket.send(JSON.stringify(frame));
  }

  /** For what is always said whole: while one is on its way, only the newest of the next ones is kept. */
  sendSet(frame: HubFrame): void {
    if (this.#isSetUnderWay) this.#nextSet = frame;
    if (this.#isSetUnderWay || this.#socket.readyState !== this.#socket.OPEN) return;
    this.#isSetUnderWay = true;
    this.#socket.send(JSON.stringify(frame), () => {
      this.#isSetUnderWay = false;
      const next = this.#nextSet;
      this.#nextSet = undefined;
      if (next !== undefined) this.sendSet(next);
    });
  }

  /** Says why, and ends the link. */
  refuse(reason: string, message: string): void {
    this.close({ kind: "refused", reason, message });
  }

  /** What was sent before still arrives; what comes meanwhile is not listened to. */
  close(last?: HubFrame): void {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    this.#stopReading();
    farewell({ socket: this.#socket, stream: this.#stream }, last);
  }

  drop(): void {
    this.#stopReading();
    this.#socket.terminate();
  }

  #stopReading(): void {
    this.#frames.length = 0;
    this.#inflow.leave(this.#take);
  }

  #closed(): void {
    this.#stopReading();
    clearInterval(this.#pinger);
    this.#handlers.onClose();
  }

  /** `ws` closes the link itself over bytes that are no message, with a code that says why; all else is a broken connection. */
  #failed(error: Error): void {
    const code = "code" in error && typeof error.code === "string" ? error.code : "";
    if (!code.startsWith("WS_ERR_")) return this.#socket.terminate();
    const isLarge = code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH";
    this.#handlers.onBadFrame(isLarge ? `larger than ${mostHelloBytes} bytes` : `no message: ${code}`);
  }

  /** `ws` has had these bytes already: a frame that ended with them has come. */
  #read(bytes: number): void {
    this.#inflow.spend(bytes);
    this.#frameBytes += bytes;
    if (this.#frameBytes <= mostFrameBytes + mostReadBytes) return;
    if (this.#hasHello) return this.#handlers.onBadFrame(`larger than ${mostFrameBytes} bytes`);
    if (this.#isLarge) return;
    this.#isLarge = true;
    this.#socket.pause();
    this.#handlers.onLargeHello(() => {
      if (this.#socket.readyState === this.#socket.OPEN) this.#socket.resume();
    });
  }

  #alive(): void {
    this.#heardMs = performance.now();
    this.#handlers.onHeard();
    this.#inflow.spend(controlBytes);
    if (this.#frames.length === 0) this.#rest();
  }

  /** RFC 6455, 5.5.3: of several pings, the newest alone may be answered. */
  #pinged(data: Buffer): void {
    this.#alive();
    const isUnderWay = this.#pong !== undefined;
    this.#pong = data;
    if (!isUnderWay) setImmediate(() => this.#answerPing());
  }

  #answerPing(): void {
    const data = this.#pong;
    this.#pong = undefined;
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    if (this.#socket.bufferedAmount > mostUnreadBytes) return this.drop();
    this.#socket.pong(data);
  }

  #came(data: RawData, isBinary: boolean): void {
    this.#alive();
    this.#frameBytes = 0;
    this.#inflow.spend(leastFrameBytes);
    if (isBinary) return this.#handlers.onBadFrame("a binary message; it must be JSON text");
    this.#frames.push(data);
    this.#hasHello = true;
    this.#socket.pause();
    this.#inflow.enter(this.#take);
  }

  /** One frame; true: there are more. */
  readonly #take = (): boolean => {
    const data = this.#frames.shift();
    if (data !== undefined) {
      const frame = parseFrame(bufferOf(data));
      if (frame.success) this.#handlers.onFrame(frame.data);
      else this.#handlers.onBadFrame(frame.fault);
    }
    if (this.#frames.length > 0) return true;
    if (this.#socket.readyState === this.#socket.OPEN) this.#rest();
    return false;
  };

  /** Reads on, at once or when the pod's allowance is paid. */
  #rest(): void {
    const restMs = this.#inflow.restMs();
    if (restMs === 0) return this.#socket.resume();
    this.#socket.pause();
    this.#inflow.after(restMs, () => {
      if (this.#socket.readyState === this.#socket.OPEN && this.#frames.length === 0) this.#socket.resume();
    });
  }

  /** While it is not read, its silence is ours. */
  #checkLife(): void {
    if (this.#socket.isPaused) this.#heardMs = Math.max(this.#heardMs, performance.now() - linkTiming.pingIntervalMs);
    if (performance.now() - this.#heardMs >= linkTiming.deadAfterMs) this.#socket.terminate();
    else if (this.#socket.readyState === this.#socket.OPEN) this.#socket.ping();
  }
}

/** What a frame, and a ping, counts for at least: it costs more than its bytes. */
const leastFrameBytes = 1_024;
const controlBytes = 256;

function bufferOf(data: RawData): Buffer {
  if (Array.isArray(data)) return Buffer.concat(data);
  return Buffer.isBuffer(data) ? data : Buffer.from(data);
}
