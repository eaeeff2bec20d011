import type { Socket } from "node:net";
import { SocksClient } from "socks";
import { EgressError } from "../sessions/ports.ts";
import type { ProxyCredentials } from "./credentials.ts";

/** `socks` has a deadline of its own, 30 s unless told; ours comes first. */
const farAwayMs = 3_600_000;

const codes: readonly (readonly [RegExp, string])[] = [
  [/rejected connection - undefined/, "UnknownReply"],
  [/Authentication failed/, "AuthenticationFailed"],
  [/no accepted authentication type/, "NoAcceptableAuth"],
  [/Socket closed/, "ConnectionClosed"],
];
const rejected = /rejected connection - (?<reply>[A-Za-z]+)/;
const systemCode = /\b(?<code>E[A-Z]{3,})\b/;

export interface SocksTarget {
  readonly host: string;
  readonly port: number;
  readonly credentials: ProxyCredentials | undefined;
}

/**
 * SOCKS5 handshake (RFC 1928, 1929) on a connected socket. The target's name goes to the proxy as it is, which resolves it.
 *
 * `socks` rather than `socks-proxy-agent`, which is a shell around it: the agent's `connect()` makes the TCP connection itself
 * and gives it away only when the handshake is over, so that a deadline of ours leaves the socket open; its own `timeout` goes
 * on to kill the established connection when it is quiet for as long; and what failed, name, TCP or handshake, is lost.
 */
export async function socks5Handshake(socket: Socket, { host, port, credentials }: SocksTarget): Promise<void> {
  try {
    await SocksClient.createConnection({
      command: "connect",
      existing_socket: socket,
      destination: { host, port },
      timeout: farAwayMs,
      // The address is not used: the connection exists.
      proxy: {
        type: 5,
        host: "proxy",
        port: 1080,
        ...(credentials && { userId: credentials.username, password: credentials.password }),
      },
    });
  } catch (error) {
    const code = socksCode(error instanceof Error ? error.message : "");
    throw new EgressError("proxy", code, `proxy: SOCKS5 handshake failed: ${code}`);
  }
}

/** The package tells replies apart in its text alone. */
function socksCode(message: string): string {
  for (const [pattern, code] of codes) if (pattern.test(message)) return code;
  return rejected.exec(message)?.groups?.["reply"] ?? systemCode.exec(message)?.groups?.["code"] ?? "MalformedReply";
}
