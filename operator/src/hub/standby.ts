import type { HubFrame } from "@wa/schema";
import { WebSocketServer } from "ws";
import { listenTls, type TlsServer, type TlsServerOptions } from "./tls-server.ts";

/** A hello comes unasked; a refusal to read it would reset the connection under the answer. */
const mostFrameBytes = 1024 * 1024;

const answer: HubFrame = { kind: "not-leader" };

/**
 * The hub's port of a replica that does not lead. While the leader changes, a dial may reach the one that led before: told so, a
 * pod asks again soon, where a closed port would have it wait. Whoever dials learns nothing else, so no token is asked for.
 */
export async function startStandby(options: Omit<TlsServerOptions, "onUpgrade">): Promise<TlsServer> {
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: mostFrameBytes });
  const server = await listenTls({
    ...options,
    onUpgrade: (request, stream, head) => {
      sockets.handleUpgrade(request, stream, head, (socket) => {
        socket.on("error", () => socket.terminate());
        socket.send(JSON.stringify(answer));
        socket.close(1000);
      });
    },
  });
  return {
    port: server.port,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets.clients) socket.terminate();
      await server[Symbol.asyncDispose]();
    },
  };
}
