import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { createServer } from "node:https";
import type { Duplex } from "node:stream";
import { hubPath } from "@wa/schema";
import { newServerCertificate, renewAfterMs, type Authority } from "./certificates.ts";

export interface TlsServerOptions {
  readonly authority: Authority;
  /** DNS names that pods dial. */
  readonly names: readonly string[];
  /** 0 takes a free one. */
  readonly port: number;
  /** A dial of the hub's path. */
  readonly onUpgrade: (request: IncomingMessage, stream: Duplex, head: Buffer) => void;
}

export interface TlsServer extends AsyncDisposable {
  readonly port: number;
}

/** The hub's port: TLS with a certificate of the hub's own CA, renewed while it stands. Only the hub's path is found. */
export async function listenTls({ authority, names, port, onUpgrade }: TlsServerOptions): Promise<TlsServer> {
  const certificate = async (): Promise<{ cert: string; key: string }> => {
    const { certificatePem, keyPem } = await newServerCertificate(authority, names);
    return { cert: certificatePem, key: keyPem };
  };
  const server = createServer(await certificate());
  const renewal = setInterval(() => void certificate().then((pems) => server.setSecureContext(pems)), renewAfterMs);
  server.on("request", (_request, response) => response.writeHead(404).end());
  server.on("upgrade", (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    stream.on("error", () => stream.destroy());
    if (request.url === hubPath) onUpgrade(request, stream, head);
    else refuseUpgrade(stream, "404 Not Found");
  });
  server.listen(port);
  await once(server, "listening");
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    [Symbol.asyncDispose]: async () => {
      clearInterval(renewal);
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

/** @param status HTTP status line without its version */
export function refuseUpgrade(stream: Duplex, status: string): void {
  stream.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
}
