import { HubFrame, linkTiming, type PodFrame } from "@wa/schema";
import type { Logger } from "pino";
import { WebSocket, type RawData } from "ws";

const maxFrameBytes = 64 * 1024 * 1024;
/** For the other end's goodbye; `ws` itself waits half a minute. */
const goodbyeMs = 1_000;

export interface ConnectionOptions {
  readonly url: string;
  readonly caPem: string;
  readonly token: string;
  readonly log: Logger;
  readonly onOpen: () => void;
  /** `sentAfterMs`: when the frame was surely not sent yet, by the monotonic clock. */
  readonly onFrame: (frame: HubFrame, sentAfterMs: number) => void;
  /** Every sign of life of the other end. */
  readonly onHeard: () => void;
  /** Once, at the end, however it comes. */
  readonly onClose: () => void;
}

/** One WebSocket to the hub. Ends itself where the other end is silent for too long. */
export class HubConnection {
  readonly #options: ConnectionOptions;
  readonly #socket: WebSocket;
  readonly #dialTimer: NodeJS.Timeout;
  readonly #pingTimer: NodeJS.Timeout;
  #goodbyeTimer: NodeJS.Timeout | undefined;
  #heardMs = performance.now();
  /** When the last ping was sent that has been answered: whatever comes now was sent after it, because a connection keeps order. */
  #answeredMs = performance.now();
  readonly #unanswered = new Map<string, number>();
  #pings = 0;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    const socket = new WebSocket(options.url, {
      ca: options.caPem,
      headers: { authorization: `Bearer ${options.token}` },
      perMessageDeflate: false,
      maxPayload: maxFrameBytes,
    });
    this.#socket = socket;
    this.#dialTimer = setTimeout(() => socket.terminate(), linkTiming.dialTimeoutMs);
    this.#pingTimer = setInterval(() => this.#checkLife(), linkTiming.pingIntervalMs);
    socket.on("open", () => this.#opened());
    socket.on("message", (data) => this.#received(data));
    socket.on("pong", (payload) => this.#answered(payload.toString()));
    socket.on("ping", () => this.#heard());
    socket.on("error", (error) => options.log.warn({ message: error.message }, "hub link failed"));
    socket.on("close", () => this.#closed());
  }

  send(frame: PodFrame): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    // The younger the last answered ping, the longer is the grant good that follows.
    if (frame.kind === "grant-request") this.#ping();
    this.#socket.send(JSON.stringify(frame));
  }

  /** Says goodbye; `onClose` follows soon, whether the other end answers or not. What was sent before still arrives. */
  close(): void {
    this.#socket.close(1000);
    this.#goodbyeTimer ??= setTimeout(() => this.#socket.terminate(), goodbyeMs);
  }

  #opened(): void {
    clearTimeout(this.#dialTimer);
    this.#heard();
    this.#options.onOpen();
  }

  #heard(): void {
    this.#heardMs = performance.now();
    this.#options.onHeard();
  }

  #ping(): void {
    this.#pings += 1;
    const name = String(this.#pings);
    this.#unanswered.set(name, performance.now());
    this.#socket.ping(name);
  }

  #answered(name: string): void {
    this.#answeredMs = Math.max(this.#answeredMs, this.#unanswered.get(name) ?? 0);
    this.#unanswered.delete(name);
    this.#heard();
  }

  #received(data: RawData): void {
    const frame = parseFrame(data);
    // What it says first: a welcome must count before the link is taken for one of the leader's.
    if (frame.success) this.#options.onFrame(frame.data, this.#answeredMs);
    else this.#options.log.warn({ faults: frame.faults }, "hub frame dropped");
    this.#heard();
  }

  #checkLife(): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    if (performance.now() - this.#heardMs < linkTiming.deadAfterMs) return this.#ping();
    this.#options.log.warn("hub silent");
    this.#socket.terminate();
  }

  #closed(): void {
    clearTimeout(this.#dialTimer);
    clearTimeout(this.#goodbyeTimer);
    clearInterval(this.#pingTimer);
    this.#options.onClose();
  }
}

type ParsedFrame = { success: true; data: HubFrame } | { success: false; faults: readonly string[] };

/** The faults name fields and never values: a welcome holds a password. */
function parseFrame(data: RawData): ParsedFrame {
  let content: unknown;
  try {
    content = JSON.parse(textOf(data));
  } catch {
    return { success: false, faults: ["no JSON"] };
  }
  const parsed = HubFrame.safeParse(content);
  if (parsed.success) return { success: true, data: parsed.data };
  return { success: false, faults: parsed.error.issues.map(({ path, code }) => `${path.join(".")}: ${code}`) };
}

function textOf(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString("utf8");
  return (Buffer.isBuffer(data) ? data : Buffer.from(data)).toString("utf8");
}
