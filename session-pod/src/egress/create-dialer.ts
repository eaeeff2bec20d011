import { Agent, Dispatcher1Wrapper, type buildConnector } from "undici";
import type { EgressContract } from "@wa/schema";
import type { Dialer } from "../sessions/ports.ts";
import type { ReadCredentials } from "./credentials.ts";
import { dial, type DialTarget } from "./dial.ts";
import { DialingAgent } from "./dialing-agent.ts";
import { observeIp } from "./observe-ip.ts";
import { defaultTimeouts, type PhaseTimeouts } from "./phase.ts";
import { trustContext } from "./tls.ts";

export interface DialerOptions {
  readonly egress: EgressContract;
  /** Not asked on a direct way out. */
  readonly readCredentials?: ReadCredentials;
  /** Certificates trusted in addition to Node's own, as PEM. */
  readonly caPem?: string;
  readonly timeouts?: Partial<PhaseTimeouts>;
}

/** The one way out of a session pod: WebSocket, uploads, downloads and echo all connect by it. */
export function createDialer({ egress, readCredentials, caPem, timeouts }: DialerOptions): Dialer {
  const closing = new AbortController();
  const route = {
    egress,
    readCredentials: readCredentials ?? (async () => undefined),
    secureContext: trustContext(caPem),
  };
  const phaseTimeouts = { ...defaultTimeouts, ...timeouts };
  const open = (target: DialTarget, timeoutMs = Infinity) =>
    dial(route, target, {
      timeouts: phaseTimeouts,
      endsAtMs: performance.now() + timeoutMs,
      signal: closing.signal,
    });
  const connector: buildConnector.connector = ({ hostname, port, protocol }, done) => {
    const tls = protocol === "https:";
    open({ host: hostname, port: Number(port) || (tls ? 443 : 80), tls }).then(
      (socket) => done(null, socket),
      (error: unknown) => done(error instanceof Error ? error : new Error("the dialer failed"), null),
    );
  };
  const pool = new Agent({ connect: connector });

  const fetchAgent = new DialingAgent(open, () => undefined);
  return {
    connect: (target, options) => open(target, options?.timeoutMs),
    webSocketAgent: (onStream) => new DialingAgent(open, onStream),
    fetchAgent,
    // Node 24's own fetch speaks undici 7's interface.
    dispatcher: new Dispatcher1Wrapper(pool),
    observeIP: (echoUrls) => observeIp(connector, echoUrls),
    close: async () => {
      closing.abort();
      fetchAgent.destroy();
      await pool.destroy();
    },
  };
}
