import type { Assignment, Bucket } from "@wa/schema";
import { nextStartMs } from "./pace.ts";
import type { Circumstances, Effect, Phase, SessionState, Step, StoreAway, WaitingStage, PodEgress } from "./state.ts";

export const newSession = (assignment: Assignment, egress: PodEgress): SessionState => ({
  assignment,
  phase: { kind: "Claiming" },
  run: 0,
  egress,
  storeHeardMs: 0,
  generation: 0,
  announcedVersion: assignment.spec.clientVersion,
  isPaired: false,
  hasLoggedIn: false,
  startsMs: [],
  hasJustPaired: false,
  failures: 0,
  lastDelayMs: 0,
  failuresAtServer: 0,
  hasShownCode: false,
  codesShown: 0,
});

/** Attempts, codes and windows begin anew; what is known of the device and of its last end stays, and its starts count on. */
function afresh(state: SessionState): SessionState {
  const { lastDisconnect, identity, isPaired, hasLoggedIn, run, storeHeardMs, generation, announcedVersion } = state;
  const { startsMs, restartedMs, restriction } = state;
  return {
    ...newSession(state.assignment, state.egress),
    run,
    storeHeardMs,
    generation,
    isPaired,
    hasLoggedIn,
    announcedVersion,
    startsMs,
    ...(restartedMs !== undefined && { restartedMs }),
    ...(lastDisconnect && { lastDisconnect }),
    ...(isPaired && identity && { identity }),
    ...(isPaired && restriction && { restriction }),
  };
}

/** Nothing of before goes on: no timer, no place in the queue, no socket; then the device is claimed. */
export function claimAgain(state: SessionState): Step {
  const run = state.run + 1;
  return [
    { ...afresh(state), run, phase: { kind: "Claiming" } },
    [{ kind: "dropPlans" }, { kind: "closeSocket" }, { kind: "claim", run }],
  ];
}

export const bucketFor = (isPaired: boolean): Bucket => (isPaired ? "login" : "registration");

/** An owned device begins as if it had never tried. */
export function begin(state: SessionState, at: Circumstances): Step {
  const { archiving } = state;
  if (archiving !== undefined) return [{ ...state, archiving: { thenBegin: true } }, []];
  return start(afresh(state), bucketFor(state.isPaired), at);
}

/** The next attempt, with what is known of those before it: at once, unless this hour has seen too many. */
export function start(state: SessionState, bucket: Bucket, at: Circumstances): Step {
  if (state.assignment.desired === "LoggedOut" && !state.isPaired) return rest(state, "LogoutDone", []);
  const heldMs = heldBackMs(state, at);
  if (heldMs > 0) return wait(state, heldMs, at);
  const { nextAttemptMs: _due, ...rested } = state;
  return waitForStart(rested, bucket);
}

const heldBackMs = ({ startsMs }: SessionState, { uptimeMs }: Circumstances): number =>
  Math.round(nextStartMs(startsMs, uptimeMs) - uptimeMs);

/** @param delayMs at least; the hour's bound may make it longer */
export function wait(state: SessionState, delayMs: number, at: Circumstances): Step {
  const waitMs = Math.max(delayMs, heldBackMs(state, at));
  const next: SessionState = {
    ...state,
    phase: { kind: "BackingOff", bucket: bucketFor(state.isPaired) },
    lastDelayMs: waitMs,
    nextAttemptMs: at.nowMs + waitMs,
  };
  return [next, [{ kind: "wakeIn", delayMs: waitMs }]];
}

export function waitForStart(state: SessionState, bucket: Bucket, storeAway?: StoreAway): Step {
  if (state.egress.problem !== undefined) return [{ ...state, phase: waiting(bucket, { kind: "EgressUnready" }) }, []];
  const run = state.run + 1;
  return [
    { ...state, run, phase: waiting(bucket, { kind: "AskingStore", ...(storeAway && { storeAway }) }) },
    [{ kind: "askOwnership", run }],
  ];
}

export const waiting = (bucket: Bucket, stage: WaitingStage): Phase => ({ kind: "WaitingForGrant", bucket, stage });

export function withoutCodes(state: SessionState): SessionState {
  const { qr: _qr, pairingCode: _code, ...rested } = state;
  return rested;
}

export function rest(
  state: SessionState,
  as: Extract<Phase, { kind: "Resting" }>["as"],
  effects: readonly Effect[],
): Step {
  const { nextAttemptMs: _due, connectedSinceMs: _since, windowEndsMs: _ends, ...others } = withoutCodes(state);
  const { openedMs: _opened, linkStage: _stage, ...rested } = others;
  return [{ ...rested, phase: { kind: "Resting", as } }, [...effects, { kind: "clearWaits" }]];
}
