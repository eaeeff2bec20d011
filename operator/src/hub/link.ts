import { linkTiming, PodFrame, podFrameKinds, type HubFrame } from "@wa/schema";
import type { RawData, WebSocket } from "ws";
import type { z } from "zod";

/** A hello of the largest session pod takes about one. */
export const mostFrameBytes = 4 * 1024 * 1024;
const goodbyeMs = 1_000;

/** What the hub does with a link's events. */
export interface LinkHandlers {
  readonly onFrame: (frame: PodFrame) => void;
  /** A frame that is not the schema's; names fields and what is allowed, never values. */
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
  #goodbye: NodeJS.Timeout | undefined;

  constructor(socket: WebSocket, handlers: LinkHandlers) {
    this.#socket = socket;
    this.#handlers = handlers;
    this.#pinger = setInterval(() => this.#checkLife(), linkTiming.pingIntervalMs);
    socket.on("message", (data, isBinary) => this.#received(data, isBinary));
    socket.on("pong", () => this.#heard());
    socket.on("ping", () => this.#heard());
    socket.on("error", (error) => this.#failed(error));
    socket.on("close", () => {
      clearInterval(this.#pinger);
      clearTimeout(this.#goodbye);
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

  /** What was sent before still arrives; `ws` itself waits half a minute for the other end's goodbye. */
  close(): void {
    this.#socket.close(1000);
    this.#goodbye ??= setTimeout(() => this.#socket.terminate(), goodbyeMs);
  }

  drop(): void {
    this.#socket.terminate();
  }

  /** `ws` closes the link itself over bytes that are no message, with a code that says why; all else is a broken connection. */
  #failed(error: Error): void {
    const code = "code" in error && typeof error.code === "string" ? error.code : "";
    if (!code.startsWith("WS_ERR_")) return this.#socket.terminate();
    const isLarge = code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH";
    this.#handlers.onBadFrame(isLarge ? `larger than ${mostFrameBytes} bytes` : `no message: ${code}`);
  }

  #heard(): void {
    this.#heardMs = performance.now();
    this.#handlers.onHeard();
  }

  #received(data: RawData, isBinary: boolean): void {
    this.#heard();
    const frame = isBinary ? undefined : parseFrame(data);
    if (frame?.success === true) this.#handlers.onFrame(frame.data);
    else this.#handlers.onBadFrame(frame?.fault ?? "a binary message; it must be JSON text");
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
    return { success: false, fault: faultOf(parsed.error.issues) };
  } catch {
    return { success: false, fault: "not JSON" };
  }
}

const shownFaults = 3;

function faultOf(issues: readonly z.core.$ZodIssue[]): string {
  const shown = issues
    .slice(0, shownFaults)
    .map((issue) => `${issue.path.join(".") || "frame"}: ${expectationOf(issue)}`);
  const more = issues.length > shownFaults ? `; and ${issues.length - shownFaults} more` : "";
  return `${shown.join("; ")}${more}`;
}

/** zod names what it expected and the type that it got; a value, which may be a code or key, it never repeats. */
const expectationOf = ({ code, path, message }: z.core.$ZodIssue): string =>
  code === "invalid_union" && path[0] === "kind" ? `expected one of ${podFrameKinds.join(", ")}` : message;

function textOf(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString("utf8");
  return (Buffer.isBuffer(data) ? data : Buffer.from(data)).toString("utf8");
}
