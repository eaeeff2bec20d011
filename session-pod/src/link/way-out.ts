import type { EndpointReason, ObservedAddress, PodFrame } from "@wa/schema";
import type { EgressProblem, MissingLogin } from "../sessions/ports.ts";

type Egress = Extract<PodFrame, { kind: "egress" }>;

/** The pod's way to the internet as it is known now. Instants are of a monotonic clock. */
export interface WayOut {
  /** What is missing for the proxy. */
  readonly missing?: MissingLogin;
  readonly echoUrls: readonly string[];
  /** The last measurement, once there was one since the echo addresses were told. */
  readonly measured?: { readonly atMs: number; readonly failure?: string };
  /** Kept over a failed measurement: the last known address is the best guess. */
  readonly observedIP?: ObservedAddress;
}

export const unknownWayOut: WayOut = { echoUrls: [] };

const failedAgainMs = 10_000;
const succeededAgainMs = 600_000;

/** An address may change under a pod, so a known one is asked for again, later. */
export function isMeasurementDue({ missing, echoUrls, measured }: WayOut, nowMs: number): boolean {
  if (missing !== undefined || echoUrls.length === 0) return false;
  if (measured === undefined) return true;
  return nowMs - measured.atMs >= (measured.failure === undefined ? succeededAgainMs : failedAgainMs);
}

/** Other echo addresses: what the ones of before said counts no more. */
export function withEchoUrls(wayOut: WayOut, echoUrls: readonly string[]): WayOut {
  if (JSON.stringify(echoUrls) === JSON.stringify(wayOut.echoUrls)) return wayOut;
  return { ...(wayOut.missing && { missing: wayOut.missing }), echoUrls };
}

/** Why no session may start: a start before the address is known would be charged to the wrong budget. */
export function blockingProblem({ missing, echoUrls, measured }: WayOut): EgressProblem | undefined {
  if (missing !== undefined) return missing;
  if (echoUrls.length === 0 || measured !== undefined) return undefined;
  return { reason: "MeasuringAddress", message: "asking which address the outside sees" };
}

/** An echo that fails is told and blocks nobody: the endpoint's own budget counts then. */
export function egressFrame({ missing, measured, observedIP }: WayOut): Egress {
  const failure = measured?.failure;
  const echo = failure === undefined ? undefined : { reason: "EchoFailed" as const, message: failure };
  const problem: { readonly reason: EndpointReason; readonly message: string } | undefined = missing ?? echo;
  return {
    kind: "egress",
    observedIPs: observedIP === undefined ? [] : [observedIP],
    ...(problem && { problem: { ...problem } }),
  };
}
