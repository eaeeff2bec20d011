import { STATUS_CODES, type IncomingMessage, type Server } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import type { Action, Rule } from "../scenarios/scenario.ts";
import { Connection, waited } from "./connection.ts";
import type { Context } from "./context.ts";
import { answer, begin } from "./stanzas.ts";

/** Where clients connect to. */
export const chatPath = "/ws/chat";

const bareAddress = (address: string | undefined): string => (address ?? "").replace(/^::ffff:/, "");

/** The caller's address, as IPv4 where it is one. */
export const sourceOf = (request: IncomingMessage): string => bareAddress(request.socket.remoteAddress);

/** How an upgrade ends in place of a WebSocket. */
type Refusal = Omit<Extract<Action, { kind: "http" }>, "kind"> | "reset" | "close" | "garbage" | "silence";

const answerOf = (status: number): Refusal => ({ status, headers: {}, body: "" });

/** Turns upgrades of `chatPath` into connections, unless the scenario has something else for them. */
export function serveUpgrades(context: Context, server: Server): void {
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: 2 ** 24 });
  const rawSockets = new Map<string, Socket>();
  const nameOf = (socket: Socket): string => `${socket.remoteAddress ?? ""} ${socket.remotePort ?? 0}`;
  // Only the socket below TLS can be reset; the two have the same far end.
  server.on("connection", (socket: Socket) => {
    const name = nameOf(socket);
    rawSockets.set(name, socket);
    socket.on("close", () => rawSockets.delete(name));
  });
  const accept = async (request: IncomingMessage, stream: Duplex, head: Buffer): Promise<void> => {
    const tcp = rawSockets.get(nameOf(request.socket)) ?? request.socket;
    stream.on("error", () => tcp.destroy());
    const refusal = await refusalOf(context, request);
    if (refusal !== undefined) return refuse(refusal, stream, tcp);
    sockets.handleUpgrade(request, stream, head, (socket) => {
      const record = context.counters.opened(sourceOf(request), tcp !== request.socket);
      // After the upgrade, which takes timeouts off.
      request.socket.setTimeout(context.idleMs, () => tcp.destroy());
      void new Connection(context, { begin, stanza: answer }, { socket, stream, tcp, record });
    });
  };
  server.on("upgrade", (request: IncomingMessage, stream: Duplex, head: Buffer) => void accept(request, stream, head));
}

async function refusalOf(context: Context, request: IncomingMessage): Promise<Refusal | undefined> {
  const source = sourceOf(request);
  const { startLimit, blockedSources } = context.director.scenario;
  if (new URL(request.url ?? "/", "http://simulator").pathname !== chatPath) return answerOf(404);
  if (blockedSources.includes(source)) return "reset";
  if (startLimit && context.counters.startsWithin(source, startLimit.periodMs) >= startLimit.count)
    return answerOf(startLimit.status);
  const rule = context.director.take({ stage: "upgrade", source });
  if (rule) await waited(rule);
  return rule && refusalBy(rule);
}

function refusalBy({ action }: Rule): Refusal | undefined {
  switch (action.kind) {
    case "http":
      return action;
    case "reset":
    case "close":
    case "garbage":
    case "silence":
      return action.kind;
    default:
      return undefined; // a delay; the others are not allowed at this stage
  }
}

function refuse(refusal: Refusal, stream: Duplex, tcp: Socket): void {
  if (refusal === "silence") return; // the stream stays open and unanswered
  if (refusal === "reset") tcp.resetAndDestroy();
  else if (refusal === "close") stream.end();
  else if (refusal === "garbage") stream.end("garbage\r\n\r\n");
  else stream.end(httpAnswer(refusal));
}

function httpAnswer({ status, headers, body }: Exclude<Refusal, string>): string {
  const fields = { "content-length": String(Buffer.byteLength(body)), connection: "close", ...headers };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Answer"}\r\n${lines.join("")}\r\n${body}`;
}
