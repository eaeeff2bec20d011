import type { SessionReport, SessionSpec } from "@wa/schema";
import { instant } from "./instant.ts";
import type { LogoutStage, Phase, SessionState, StoreTrouble, WaitingStage, PodEgress } from "./state.ts";
import { reportedRestriction } from "./restrictions.ts";

type Browser = SessionSpec["browser"];

/**
 * All that is to be said of a session, whole every time.
 *
 * @param linkedAs the browser stored with the credentials of a linked device; it wins over the spec's
 */
export function reportOf(state: SessionState, linkedAs: Browser | undefined): SessionReport {
  const { assignment, egress, connectedSinceMs, nextAttemptMs, qr, pairingCode, identity, lastDisconnect } = state;
  return {
    device: assignment.device,
    epoch: assignment.epoch,
    ...stateAndReason(state),
    paired: state.isPaired,
    generation: state.generation,
    ...(qr && { qr }),
    ...(pairingCode && { pairingCode }),
    ...(identity && { identity }),
    ...(connectedSinceMs !== undefined && { connectedSince: instant(connectedSinceMs) }),
    ...(egress.observedIP !== undefined && { observedIP: egress.observedIP }),
    clientVersion: assignment.spec.clientVersion,
    browserDiffers: linkedAs !== undefined && !isSame(linkedAs, assignment.spec.browser),
    attempt: state.failures,
    ...(nextAttemptMs !== undefined && { nextAttemptAt: instant(nextAttemptMs) }),
    ...(lastDisconnect && { lastDisconnect }),
    ...reportedRestriction(state),
    ...(assignment.pairRequestedAt !== "" && { pairRequestedAt: assignment.pairRequestedAt }),
  };
}

const isSame = (one: Browser, other: Browser): boolean =>
  one.os === other.os && one.name === other.name && one.version === other.version;

type StateAndReason = Pick<SessionReport, "state" | "reason" | "message" | "storedEpoch">;

function stateAndReason({ phase, lastDisconnect, egress }: SessionState): StateAndReason {
  switch (phase.kind) {
    case "Claiming":
      return phase.trouble === undefined ? { state: "Claiming" } : wordsOfTrouble(phase.trouble);
    case "ClaimRefused":
      return { state: "ClaimRefused", storedEpoch: phase.storedEpoch };
    case "WaitingForGrant":
      return wordsOfWaiting(phase.stage, egress);
    case "Connected":
      return storeAwayOf(phase.logout) ?? { state: "Connected" };
    case "Connecting":
    case "AwaitingPairing":
    case "BackingOff":
      return { state: phase.kind };
    case "Resting":
      return wordsOfRest(phase, lastDisconnect);
    default:
      return phase satisfies never;
  }
}

const wordsOfTrouble = ({ kind, ...words }: StoreTrouble): StateAndReason => ({ state: kind, ...words });

function wordsOfWaiting(stage: WaitingStage, egress: PodEgress): StateAndReason {
  if (stage.kind === "EgressUnready" && egress.problem !== undefined)
    return { state: "EgressUnready", reason: egress.problem.reason, message: egress.problem.message };
  return storeAwayOf(stage) ?? { state: "WaitingForGrant" };
}

function storeAwayOf(stage: WaitingStage | LogoutStage | undefined): StateAndReason | undefined {
  if (stage?.kind !== "AskingStore" || stage.storeAway === undefined) return undefined;
  return { state: "StoreUnavailable", message: stage.storeAway.message };
}

function wordsOfRest(
  { as }: Extract<Phase, { kind: "Resting" }>,
  lastDisconnect: SessionState["lastDisconnect"],
): StateAndReason {
  const isExplained = as === "Hibernated" || as === "Blocked";
  return { state: as, ...(isExplained && lastDisconnect && { reason: lastDisconnect.cause }) };
}
