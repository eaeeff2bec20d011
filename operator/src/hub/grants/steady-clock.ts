import type { Transport } from "../../kube/transport.ts";
import type { SteadyClock } from "./ledger-books.ts";

/** Begins where the API server's clock stands, and goes on by the monotonic one. */
export function steadyClockOf(transport: Pick<Transport, "serverNowMs" | "serverSteppedAtMs">): SteadyClock {
  const startMs = transport.serverNowMs() - performance.now();
  return {
    nowMs: () => startMs + performance.now(),
    steppedAtMs: () => {
      const atMs = transport.serverSteppedAtMs();
      return atMs === undefined ? undefined : startMs + atMs;
    },
  };
}
