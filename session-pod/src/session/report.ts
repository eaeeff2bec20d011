import type { Assignment, DeviceReason, SessionReport, SessionSpec } from "@wa/schema";
import type { SessionState } from "./state.ts";

/** What keeps a session from its business, outside of its own behaviour. */
export type Standing =
  | { readonly kind: "Running" }
  | { readonly kind: "Claiming" }
  | { readonly kind: "ClaimRefused"; readonly storedEpoch?: number }
  | { readonly kind: "StoreUnavailable"; readonly message: string }
  | { readonly kind: "StoreRefused"; readonly reason: DeviceReason; readonly message: string }
  | { readonly kind: "EgressUnready"; readonly reason: DeviceReason; readonly message: string };

type Browser = SessionSpec["browser"];

export interface Reported {
  readonly assignment: Pick<Assignment, "device" | "epoch" | "pairRequestedAt" | "spec">;
  readonly standing: Standing;
  readonly state: SessionState;
  readonly generation: number;
  readonly clientVersion: string;
  readonly observedIP: string | undefined;
  /** The browser stored with the credentials of a linked device; it wins over the spec's. */
  readonly linkedAs: Browser | undefined;
}

/** All that is to be said of a session, whole every time. */
export function reportOf(reported: Reported): SessionReport {
  const { assignment, state, generation, observedIP } = reported;
  const { connectedSinceMs, nextAttemptMs, qr, pairingCode, identity, lastDisconnect } = state;
  return {
    device: assignment.device,
    epoch: assignment.epoch,
    ...stateAndReason(reported),
    paired: state.isPaired,
    generation,
    ...(qr && { qr }),
    ...(pairingCode && { pairingCode }),
    ...(identity && { identity }),
    ...(connectedSinceMs !== undefined && { connectedSince: new Date(connectedSinceMs).toISOString() }),
    ...(observedIP !== undefined && { observedIP }),
    clientVersion: reported.clientVersion,
    browserDiffers: reported.linkedAs !== undefined && !isSame(reported.linkedAs, assignment.spec.browser),
    attempt: state.failures,
    ...(nextAttemptMs !== undefined && { nextAttemptAt: new Date(nextAttemptMs).toISOString() }),
    ...(lastDisconnect && { lastDisconnect }),
    ...(assignment.pairRequestedAt !== "" && { pairRequestedAt: assignment.pairRequestedAt }),
  };
}

const isSame = (one: Browser, other: Browser): boolean =>
  one.os === other.os && one.name === other.name && one.version === other.version;

type StateAndReason = Pick<SessionReport, "state" | "reason" | "message" | "storedEpoch">;

function stateAndReason({ standing, state }: Reported): StateAndReason {
  // At the end it matters no more what the session was waiting for.
  if (state.phase.kind === "Resting" && state.phase.as === "Released") return { state: "Released" };
  switch (standing.kind) {
    case "Running":
      return ofPhase(state);
    case "Claiming":
      return { state: "Claiming" };
    case "ClaimRefused":
      return {
        state: "ClaimRefused",
        ...(standing.storedEpoch !== undefined && { storedEpoch: standing.storedEpoch }),
      };
    case "StoreUnavailable":
      return { state: "StoreUnavailable", message: standing.message };
    case "StoreRefused":
    case "EgressUnready":
      return { state: standing.kind, reason: standing.reason, message: standing.message };
    default:
      return standing satisfies never;
  }
}

function ofPhase({ phase, lastDisconnect }: SessionState): StateAndReason {
  if (phase.kind !== "Resting") return { state: phase.kind };
  const isExplained = phase.as === "Hibernated" || phase.as === "Blocked";
  return { state: phase.as, ...(isExplained && lastDisconnect && { reason: lastDisconnect.cause }) };
}
