import type { HubFrame } from "@wa/schema";
import { WebSocketServer } from "ws";
import { farewell } from "./link.ts";
import { listenTls, type TlsServer, type TlsServerOptions } from "./tls-server.ts";

const answer: HubFrame = { kind: "not-leader" };

/**
 * The hub's port of a replica that does not lead. While the leader changes, a dial may reach the one that led before: told so, a
 * pod asks again soon, where a closed port would have it wait. Whoever dials learns nothing else, so no token is asked for; and
 * nothing that he says is kept.
 */
export async function startStandby(options: Omit<TlsServerOptions, "onDial">): Promise<TlsServer> {
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  return await listenTls({
    ...options,
    onDial: ({ request, stream, head }) => {
      sockets.handleUpgrade(request, stream, head, (socket) => {
        socket.on("error", () => socket.terminate());
        farewell({ socket, stream }, answer);
      });
    },
  });
}
