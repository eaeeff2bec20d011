import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Socket } from "node:net";
import { pino, type Logger } from "pino";
import { newTlsIdentity } from "./control/certificates.ts";
import { SimulatorClient } from "./control/client.ts";
import { control, type ControlOptions } from "./control/http.ts";
import { Director } from "./scenarios/director.ts";
import type { Context } from "./server/context.ts";
import { Counters } from "./server/counters.ts";
import { Media, mediaPath, serveMedia } from "./server/media.ts";
import { chatPath, serveUpgrades } from "./server/upgrade.ts";
import { Accounts } from "./server/world.ts";
import { newServerIdentity } from "./wire/certificates.ts";

export interface SimulatorOptions {
  /** Address to listen on; loopback unless told otherwise. */
  readonly host?: string;
  /** Port of ws and control over HTTP; 0 takes a free one. */
  readonly port?: number;
  /** Port of wss and control over HTTPS; 0 takes a free one, absent: none. */
  readonly tlsPort?: number;
  /** Names and addresses of the TLS certificate, beside localhost and 127.0.0.1. */
  readonly names?: readonly string[];
  /** What `GET /ip` answers in place of the caller's address. */
  readonly echoIp?: string;
  readonly log?: Logger;
  /** Connections without traffic for so long are dropped; two minutes unless told otherwise. */
  readonly idleMs?: number;
}

export interface Simulator extends AsyncDisposable {
  /** ws://…/ws/chat */
  readonly url: string;
  /** wss://…/ws/chat, or empty without TLS. */
  readonly wssUrl: string;
  readonly controlUrl: string;
  readonly rootKeyHex: string;
  readonly caPem: string;
  readonly client: SimulatorClient;
}

const defaultIdleMs = 120_000;

/** Starts a server that behaves towards clients as WhatsApp's does; dispose of it to end every connection. */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const host = options.host ?? "127.0.0.1";
  const tls = await newTlsIdentity([...new Set(["localhost", "127.0.0.1", ...(options.names ?? [])])]);
  const context: Context = {
    identity: newServerIdentity(Date.now() / 1_000),
    accounts: new Accounts(),
    counters: new Counters(),
    director: new Director(),
    log: options.log ?? pino({ level: "silent" }),
    idleMs: options.idleMs ?? defaultIdleMs,
    online: new Map(),
    waiting: new Set(),
    ratchets: new Map(),
    media: new Media(),
  };
  const controls = { caPem: tls.caPem, echoIp: options.echoIp };
  const plain = await listen(serve(context, createServer(), controls), host, options.port ?? 0);
  const secure =
    options.tlsPort === undefined
      ? undefined
      : await listen(
          serve(context, createTlsServer({ cert: tls.certificatePem, key: tls.keyPem }), controls),
          host,
          options.tlsPort,
        );
  const controlUrl = `http://${host}:${plain.port}`;
  return {
    url: `ws://${host}:${plain.port}${chatPath}`,
    wssUrl: secure === undefined ? "" : `wss://${host}:${secure.port}${chatPath}`,
    controlUrl,
    rootKeyHex: context.identity.root.public.toString("hex"),
    caPem: tls.caPem,
    client: new SimulatorClient(controlUrl),
    [Symbol.asyncDispose]: async () => {
      await Promise.all([plain.close(), secure?.close()]);
    },
  };
}

async function listen(
  server: Server,
  host: string,
  port: number,
): Promise<{ port: number; close: () => Promise<void> }> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  server.listen(port, host);
  await once(server, "listening");
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  };
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server listens on no TCP port");
  return { port: address.port, close };
}

function serve(context: Context, server: Server, options: ControlOptions): Server {
  serveUpgrades(context, server);
  server.on("request", (request, response) => {
    if (request.url?.startsWith(mediaPath) === true) void serveMedia(context, request, response);
    else void control(context, options, { request, response });
  });
  return server;
}
