import { linkTiming, PodFrame, type HubFrame } from "@wa/schema";
import type { RawData, WebSocket } from "ws";

/** What the hub does with a link's events. */
export interface LinkHandlers {
  readonly onFrame: (frame: PodFrame) => void;
  /** A frame that is not the schema's; names fields, never values. */
  readonly onBadFrame: (fault: string) => void;
  readonly onHeard: () => void;
  readonly onClose: () => void;
}

/** One pod's WebSocket: frames in and out, and its death noticed. */
export class Link {
  readonly #socket: WebSocket;
  readonly #handlers: LinkHandlers;
  readonly #pinger: NodeJS.Timeout;
  #heardMs = performance.now();

  constructor(socket: WebSocket, handlers: LinkHandlers) {
    this.#socket = socket;
    this.#handlers = handlers;
    this.#pinger = setInterval(() => this.#checkLife(), linkTiming.pingIntervalMs);
    socket.on("message", (data, isBinary) => this.#received(data, isBinary));
    socket.on("pong", () => this.#heard());
    socket.on("ping", () => this.#heard());
    socket.on("error", () => socket.terminate());
    socket.on("close", () => {
      clearInterval(this.#pinger);
      handlers.onClose();
    });
  }

  send(frame: HubFrame): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  /** Says why, and ends the link. */
  refuse(reason: string, message: string): void {
    this.send({ kind: "refused", reason, message });
    this.close();
  }

  close(): void {
    this.#socket.close(1000);
  }

  drop(): void {
    this.#socket.terminate();
  }

  #heard(): void {
    this.#heardMs = performance.now();
    this.#handlers.onHeard();
  }

  #received(data: RawData, isBinary: boolean): void {
    this.#heard();
    const frame = isBinary ? undefined : parseFrame(data);
    if (frame?.success === true) this.#handlers.onFrame(frame.data);
    else this.#handlers.onBadFrame(frame?.fault ?? "a binary message");
  }

  #checkLife(): void {
    if (performance.now() - this.#heardMs >= linkTiming.deadAfterMs) this.#socket.terminate();
    else this.#socket.ping();
  }
}

type Parsed = { readonly success: true; readonly data: PodFrame } | { readonly success: false; readonly fault: string };

function parseFrame(data: RawData): Parsed {
  try {
    const parsed = PodFrame.safeParse(JSON.parse(textOf(data)));
    if (parsed.success) return parsed;
    return {
      success: false,
      fault: parsed.error.issues.map(({ path, code }) => `${path.join(".") || "frame"}: ${code}`).join("; "),
    };
  } catch {
    return { success: false, fault: "not JSON" };
  }
}

function textOf(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString("utf8");
  return (Buffer.isBuffer(data) ? data : Buffer.from(data)).toString("utf8");
}
