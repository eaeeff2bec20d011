import { lookup } from "node:dns/promises";
import type { LookupAddress } from "node:dns";
import { connect, isIP, type Socket } from "node:net";
import { once } from "node:events";

/** Node's default of 250 ms gives up on an address that is merely far away (nodejs/node #54359). */
const addressAttemptMs = 3_000;
const keepAliveMs = 15_000;

/** An address without the brackets that IPv6 literals wear in URLs. */
export function bareHost(host: string): string {
  return host.startsWith("[") && host.endsWith("]") ? host.slice(1, -1) : host;
}

/** `host:port` as HTTP writes it (RFC 3986: brackets around IPv6). */
export function authority(host: string, port: number): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

export async function resolveHost(host: string): Promise<LookupAddress[]> {
  const family = isIP(host);
  return family === 0 ? await lookup(host, { all: true }) : [{ address: host, family }];
}

/** Starts to connect to the addresses in their order. The socket is at hand at once, so that a deadline can destroy it. */
export function startTcp(host: string, port: number, addresses: readonly LookupAddress[]): Socket {
  const socket = connect({
    host,
    port,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: addressAttemptMs,
    keepAlive: true,
    keepAliveInitialDelay: keepAliveMs,
    noDelay: true,
    lookup: (_host, options, done) => {
      const [first] = addresses;
      if (options.all === true) done(null, [...addresses]);
      else done(null, first?.address ?? "", first?.family ?? 0);
    },
  });
  // Whoever holds the stream hears its `close`; an error nobody listens to would end the process.
  socket.on("error", () => undefined);
  return socket;
}

export async function connected(socket: Socket): Promise<void> {
  await once(socket, "connect");
}
