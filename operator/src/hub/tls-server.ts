import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { createServer } from "node:https";
import { createServer as createTcpServer } from "node:net";
import type { Duplex } from "node:stream";
import { hubPath } from "@wa/schema";
import { newServerCertificate, renewAfterMs, type Authority } from "./certificates.ts";
import { connectionOf, Gate } from "./gate.ts";

/** A dial of the hub's path. */
export interface Dial {
  readonly request: IncomingMessage;
  readonly stream: Duplex;
  readonly head: Buffer;
  /** Its token is good: it may take a little longer. */
  identified(): void;
  /** It is ours: it may stay for as long as it likes. */
  admit(): void;
}

export interface TlsServerOptions {
  readonly authority: Authority;
  /** DNS names that pods dial. */
  readonly names: readonly string[];
  /** 0 takes a free one. */
  readonly port: number;
  /** Has a few seconds to become somebody's. */
  readonly onDial: (dial: Dial) => void;
}

export interface TlsServer extends AsyncDisposable {
  readonly port: number;
}

/**
 * The hub's port: TLS with a certificate of the hub's own CA, renewed while it stands. Only the hub's path is found. Connections
 * come in through a {@link Gate}, which holds little for whoever is not known.
 */
export async function listenTls({ authority, names, port, onDial }: TlsServerOptions): Promise<TlsServer> {
  const certificate = async (): Promise<{ cert: string; key: string }> => {
    const { certificatePem, keyPem } = await newServerCertificate(authority, names);
    return { cert: certificatePem, key: keyPem };
  };
  const server = createServer(await certificate());
  const renewal = setInterval(() => void certificate().then((pems) => server.setSecureContext(pems)), renewAfterMs);
  server.on("request", (_request, response) => response.writeHead(404, { connection: "close" }).end());
  const gate = new Gate((socket) => server.emit("connection", socket));
  server.on("upgrade", (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    stream.on("error", () => stream.destroy());
    if (request.url !== hubPath) return refuseUpgrade(stream, "404 Not Found");
    const connection = connectionOf(request.socket);
    const identified = () => gate.identified(connection);
    onDial({ request, stream, head, identified, admit: () => gate.admit(connection) });
  });
  const listener = createTcpServer((socket) => gate.enter(socket));
  listener.listen(port);
  await once(listener, "listening");
  const address = listener.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    [Symbol.asyncDispose]: async () => {
      clearInterval(renewal);
      listener.close();
      gate.close();
      await once(listener, "close");
    },
  };
}

/**
 * Answers and ends the connection, whether the other end reads the answer or not.
 *
 * @param status HTTP status line without its version
 */
export function refuseUpgrade(stream: Duplex, status: string): void {
  stream.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`, () => stream.destroy());
}
