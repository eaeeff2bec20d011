import { causeFacts, type Cause } from "@wa/schema";
import { backoffMs, stableAfterMs } from "./backoff.ts";
import { causeOf } from "./causes.ts";
import { bucketFor, rest, start, withoutCodes } from "./starts.ts";
import type { Circumstances, Closed, Effect, SessionEvent, SessionState, Step } from "./state.ts";

/** Without an end in its answer, a temporary ban is taken to last this long. */
const banWithoutEndMs = 3_600_000;

interface Ended {
  readonly event: Omit<Closed, "kind">;
  readonly cause: Cause;
}

/** A connection ended: its cause decides what follows. */
export function closed(state: SessionState, event: Omit<Closed, "kind">, at: Circumstances): Step {
  if (!mayEnd(state)) return [state, []];
  const cause = causeOf(event.disconnect);
  const ended = remember(state, { event, cause }, at);
  const counted: Effect = { kind: "count", what: "disconnect", cause };
  const [next, effects] = follow(ended, { event, cause }, at);
  return [next, [counted, ...effects]];
}

/** The server is told nothing. */
export function cut(
  state: SessionState,
  { disconnect }: Pick<Extract<SessionEvent, { kind: "cut" }>, "disconnect">,
  at: Circumstances,
): Step {
  const [next, effects] = closed(state, { disconnect }, at);
  return [next, [{ kind: "terminateSocket" }, ...effects]];
}

/** A session at rest, or one that owns nothing, has no connection that could end. */
function mayEnd({ phase }: SessionState): boolean {
  return phase.kind !== "Resting" && phase.kind !== "Claiming" && phase.kind !== "ClaimRefused";
}

function remember(state: SessionState, { event, cause }: Ended, at: Circumstances): SessionState {
  const { connectedSinceMs, ...rested } = withoutCodes(state);
  const wasStable = connectedSinceMs !== undefined && at.nowMs - connectedSinceMs >= stableAfterMs;
  const failures = cause === "RestartRequired" ? 0 : wasStable ? 1 : state.failures + 1;
  const { statusCode, message, egress } = event.disconnect;
  const reachedServer = egress === undefined && cause !== "ProxyFault";
  const lastDisconnect = {
    time: new Date(at.nowMs).toISOString(),
    cause,
    message,
    clientVersion: state.announcedVersion,
    ...(statusCode !== undefined && { statusCode }),
    ...(event.location !== undefined && { location: event.location }),
    ...(cause === "TempBanned" && {
      expiresAt: new Date(at.nowMs + (event.expireMs ?? banWithoutEndMs)).toISOString(),
    }),
  };
  return { ...rested, failures, failuresAtServer: state.failuresAtServer + (reachedServer ? 1 : 0), lastDisconnect };
}

function follow(state: SessionState, { event, cause }: Ended, at: Circumstances): Step {
  const { recovery } = causeFacts[cause];
  switch (recovery) {
    case "AtOnce":
      return start(state, cause === "RestartRequired" ? "restart" : bucketFor(state.isPaired));
    case "AtExpiry":
      return wait(state, event.expireMs ?? banWithoutEndMs, at);
    case "NewerClient":
    case "SuspendResume":
      return rest(state, "Blocked", [{ kind: "closeSocket" }]);
    case "PairAgain":
      return pairAgain(state, cause);
    case "Backoff":
      return backOff(state, at);
    default:
      return recovery satisfies never;
  }
}

/**
 * A device that is to be unlinked and is no more: only its credentials are left to erase, and `erased` follows. One whose
 * first login is refused was never linked: its end came between the commit of its credentials and the answer to the phone.
 * Nobody unlinked it, so nobody has to ask for the next code.
 */
function pairAgain(state: SessionState, cause: Cause): Step {
  const run = state.run + 1;
  if (state.assignment.desired === "LoggedOut") return [{ ...state, run }, [{ kind: "eraseCredentials", run }]];
  const archive: Effect = { kind: "archiveCredentials", run, reason: cause };
  if (cause === "LoggedOut" && state.isPaired && !state.hasLoggedIn)
    return [{ ...state, run, archiving: { thenBegin: true } }, [archive]];
  if (cause === "LoggedOut" && state.isPaired)
    return rest({ ...state, run, isPaired: false, archiving: { thenBegin: false } }, "LoggedOut", [
      archive,
      { kind: "closeSocket" },
    ]);
  return rest(state, "Hibernated", [{ kind: "closeSocket" }]);
}

/** An unpaired device to which the server gave no code gives up after some attempts; within an open window it goes on. */
function backOff(state: SessionState, at: Circumstances): Step {
  const { spec } = state.assignment;
  const isWindowOver = state.windowEndsMs !== undefined && at.nowMs >= state.windowEndsMs;
  const hasGivenUp = !state.isPaired && !state.hasShownCode && state.failuresAtServer >= spec.unpairedAttempts;
  if (!state.isPaired && (hasGivenUp || isWindowOver)) return rest(state, "Hibernated", [{ kind: "closeSocket" }]);
  return wait(state, backoffMs(state.failures, { baseMs: spec.baseDelayMs, maxMs: spec.maxDelayMs }, at.random), at);
}

function wait(state: SessionState, delayMs: number, at: Circumstances): Step {
  const next: SessionState = {
    ...state,
    phase: { kind: "BackingOff", bucket: bucketFor(state.isPaired) },
    nextAttemptMs: at.nowMs + delayMs,
  };
  return [next, [{ kind: "wakeIn", delayMs }]];
}
