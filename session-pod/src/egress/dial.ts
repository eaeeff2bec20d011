import type { Socket } from "node:net";
import type { SecureContext } from "node:tls";
import type { EgressContract } from "@wa/schema";
import type { ReadCredentials } from "./credentials.ts";
import { httpConnect } from "./http-connect.ts";
import { inPhase, type Attempt } from "./phase.ts";
import { socks5Handshake } from "./socks5.ts";
import { bareHost, connected, resolveHost, startTcp } from "./tcp.ts";
import { secured, startTls } from "./tls.ts";

export interface DialTarget {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
}

export interface Route {
  readonly egress: EgressContract;
  readonly readCredentials: ReadCredentials;
  readonly secureContext: SecureContext;
}

/** name → TCP → proxy → TLS. Throws EgressError of the phase that failed; no socket is left open then. */
export async function dial(route: Route, target: DialTarget, attempt: Attempt): Promise<Socket> {
  const { egress } = route;
  const host = bareHost(target.host);
  const hop = egress.kind === "proxy" ? { host: bareHost(egress.host), port: egress.port } : { ...target, host };
  // Only the first hop's name is resolved here: behind a proxy the target's name never shows in this network's DNS.
  const addresses = await inPhase(attempt, "dns", () => resolveHost(hop.host));
  const socket = startTcp(hop.host, hop.port, addresses);
  try {
    await inPhase(attempt, "tcp", () => connected(socket));
    if (egress.kind === "proxy")
      await inPhase(attempt, "proxy", () => tunnel(route, egress.protocol, socket, { ...target, host }));
    if (!target.tls) return socket;
    const secure = startTls(socket, host, route.secureContext);
    await inPhase(attempt, "tls", () => secured(secure));
    return secure;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

async function tunnel(
  { readCredentials }: Route,
  protocol: "socks5" | "http",
  socket: Socket,
  { host, port }: DialTarget,
): Promise<void> {
  const target = { host, port, credentials: await readCredentials() };
  return protocol === "socks5" ? await socks5Handshake(socket, target) : await httpConnect(socket, target);
}
