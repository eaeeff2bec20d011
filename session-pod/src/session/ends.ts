import { causeFacts, clipped, type Cause } from "@wa/schema";
import { backoffMs, hasWorked } from "./backoff.ts";
import { banMs, repeatedBanMs } from "./ban.ts";
import { causeOf } from "./causes.ts";
import { instant } from "./instant.ts";
import { isFlapping, startsInHour } from "./pace.ts";
import { unlinkedBecause } from "./pairing.ts";
import { bucketFor, rest, start, wait, withoutCodes } from "./starts.ts";
import type { Circumstances, Closed, Effect, SessionEvent, SessionState, Step } from "./state.ts";

/** One restart that WhatsApp asks for is free in so long, beside the one that is part of pairing. */
const freeRestartEveryMs = 600_000;
/** After a fault of our own. */
const faultDelayMs = 60_000;

interface Ended {
  readonly event: Omit<Closed, "kind">;
  readonly cause: Cause;
  readonly message: string;
}

/** A connection ended: its cause decides what follows. */
export function closed(state: SessionState, event: Omit<Closed, "kind">, at: Circumstances): Step {
  if (!mayEnd(state)) return [state, []];
  const ended: Ended = { event, ...judged(state, event, at) };
  const counted: Effect = { kind: "count", what: "disconnect", cause: ended.cause };
  const [next, effects] = follow(remember(state, ended, at), ended, at);
  return [next, [counted, ...effects]];
}

/** The connection's own cause, or that of a row of ends, which no single one shows. */
function judged(
  state: SessionState,
  { disconnect }: Omit<Closed, "kind">,
  at: Circumstances,
): Pick<Ended, "cause" | "message"> {
  const cause = causeOf(disconnect);
  const { message } = disconnect;
  if (cause === "QrExpired") return unlinkedBecause(state, message);
  const { recovery } = causeFacts[cause];
  if (recovery === "AtOnce" && !isRestartFree(state, at))
    return { cause: "Flapping", message: `${message}; one more after a connection that did not last` };
  const starts = startsInHour(state.startsMs, at.uptimeMs).length;
  if (recovery === "Backoff" && state.openedMs !== undefined && isFlapping(state.startsMs, at.uptimeMs))
    return {
      cause: "Flapping",
      message: `${message}; ${starts} connections in an hour, this one for ${openSeconds(state, at)} s`,
    };
  return { cause, message };
}

/** In a row of failures, or soon after another one, a restart is one more failure. */
function isRestartFree(state: SessionState, at: Circumstances): boolean {
  const { hasJustPaired, restartedMs, failures, lastDelayMs } = state;
  const isRare = restartedMs === undefined || at.uptimeMs - restartedMs >= freeRestartEveryMs;
  return hasJustPaired || (isRare && (failures === 0 || hasWorked(openForMs(state, at), lastDelayMs)));
}

const openForMs = ({ openedMs }: SessionState, at: Circumstances): number =>
  openedMs === undefined ? 0 : at.uptimeMs - openedMs;

const openSeconds = (state: SessionState, at: Circumstances): number => Math.round(openForMs(state, at) / 1_000);

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

function remember(state: SessionState, { event, cause, message }: Ended, at: Circumstances): SessionState {
  const { connectedSinceMs: _since, openedMs: _opened, ...rested } = withoutCodes(state);
  const isFree = causeFacts[cause].recovery === "AtOnce";
  const failures = isFree ? 0 : hasWorked(openForMs(state, at), state.lastDelayMs) ? 1 : state.failures + 1;
  const { statusCode, egress } = event.disconnect;
  const reachedServer = egress === undefined && cause !== "ProxyFault";
  const lastDisconnect = {
    time: instant(at.nowMs),
    cause,
    message,
    clientVersion: state.announcedVersion,
    ...(statusCode !== undefined && { statusCode }),
    ...(event.location !== undefined && { location: event.location }),
    ...(cause === "TempBanned" && { expiresAt: instant(at.nowMs + banLeftMs(state, event, at)) }),
  };
  return {
    ...rested,
    hasJustPaired: false,
    failures,
    failuresAtServer: state.failuresAtServer + (reachedServer ? 1 : 0),
    lastDisconnect,
    ...(isFree && { restartedMs: at.uptimeMs }),
  };
}

/** A ban that goes on after its end was waited for: its end is no longer believed to be near. */
function banLeftMs({ lastDisconnect, openedMs }: SessionState, { expire }: Ended["event"], at: Circumstances): number {
  const isAgain = lastDisconnect?.cause === "TempBanned" && openedMs === undefined;
  return Math.max(banMs(expire, at.nowMs), isAgain ? repeatedBanMs : 0);
}

function follow(state: SessionState, { cause }: Ended, at: Circumstances): Step {
  const { recovery } = causeFacts[cause];
  switch (recovery) {
    case "AtOnce":
      return start(state, cause === "RestartRequired" ? "restart" : bucketFor(state.isPaired), at);
    case "AtExpiry":
      return wait(state, Date.parse(state.lastDisconnect?.expiresAt ?? "") - at.nowMs, at);
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

/** A step of ours threw: whatever it was, the session says so and tries again. */
export function faulted(state: SessionState, error: unknown, at: Circumstances): Step {
  if (state.phase.kind === "Resting") return [state, []];
  const message = `session fault: ${clipped(error instanceof Error ? error.message : "unknown", longestFault)}`;
  if (!mayEnd(state)) {
    const trouble = { kind: "StoreUnavailable", message } as const;
    return [{ ...state, phase: { kind: "Claiming", trouble } }, [{ kind: "retryStoreIn", delayMs: faultDelayMs }]];
  }
  const { windowEndsMs: _ends, connectedSinceMs: _since, openedMs: _opened, ...rested } = withoutCodes(state);
  const lastDisconnect = { time: instant(at.nowMs), cause: "SessionFault" as const, message };
  const [next, effects] = wait({ ...rested, failures: state.failures + 1, lastDisconnect }, faultDelayMs, at);
  const counted: Effect = { kind: "count", what: "disconnect", cause: "SessionFault" };
  return [next, [{ kind: "dropPlans" }, { kind: "terminateSocket" }, counted, ...effects]];
}

const longestFault = 200;
