import { causeFacts, type Bucket, type Cause } from "@wa/schema";
import { backoffMs, stableAfterMs } from "./backoff.ts";
import { causeOf } from "./causes.ts";
import type { Circumstances, Effect, SessionEvent, SessionState, Step } from "./state.ts";

/** WhatsApp accepts the first code for 60 s and each further one for 20 s. */
const firstQrMs = 60_000;
const furtherQrMs = 20_000;
/** Without an end in its answer, a temporary ban is taken to last this long. */
const banWithoutEndMs = 3_600_000;

type Closed = Extract<SessionEvent, { kind: "closed" }>;

/** @param known what a session before it has learned */
export const newSession = (
  desired: SessionState["desired"],
  { lastDisconnect, identity }: { [K in "lastDisconnect" | "identity"]?: SessionState[K] | undefined } = {},
): SessionState => ({
  phase: { kind: "WaitingForGrant", bucket: "registration" },
  isPaired: false,
  hasLoggedIn: false,
  desired,
  failures: 0,
  failuresAtServer: 0,
  hasShownCode: false,
  codesShown: 0,
  ...(lastDisconnect && { lastDisconnect }),
  ...(identity && { identity }),
});

/** The session's whole behaviour: what it becomes and what has to be done about it. */
export function step(state: SessionState, event: SessionEvent, at: Circumstances): Step {
  switch (event.kind) {
    case "started":
      return begin({ ...state, isPaired: event.isPaired, hasLoggedIn: event.hasLoggedIn }, bucketFor(event.isPaired));
    case "granted":
      return state.phase.kind === "WaitingForGrant"
        ? [{ ...state, phase: { kind: "Connecting" } }, [{ kind: "connect" }]]
        : [state, []];
    case "qr":
      return showQr(state, event.code, at);
    case "pairingCode":
      return showPairingCode(state, event, at);
    case "paired":
      return [{ ...withoutCodes(state), isPaired: true, identity: event.identity }, []];
    case "open":
      return opened(state, event, at);
    case "closed":
      return closed(state, event, at);
    case "retryDue":
      return state.phase.kind === "BackingOff" ? begin(state, state.phase.bucket) : [state, []];
    case "windowEnded":
      return windowEnded(state, at);
    case "proxyLoginChanged":
      return isWaitingForProxy(state) ? begin({ ...state, failures: 0 }, bucketFor(state.isPaired)) : [state, []];
    case "loggedOut":
      return rest({ ...state, isPaired: false }, "LogoutDone", [{ kind: "closeSocket" }]);
    case "stop":
      return rest(state, "Released", [{ kind: "closeSocket" }]);
    default:
      return event satisfies never;
  }
}

const isWaitingForProxy = ({ phase, lastDisconnect }: SessionState): boolean =>
  phase.kind === "BackingOff" && lastDisconnect?.cause === "ProxyFault";

const bucketFor = (isPaired: boolean): Bucket => (isPaired ? "login" : "registration");

function begin(state: SessionState, bucket: Bucket): Step {
  if (state.desired === "LoggedOut" && !state.isPaired) return rest(state, "LogoutDone", []);
  const { nextAttemptMs: _due, ...rested } = state;
  return [{ ...rested, phase: { kind: "WaitingForGrant", bucket } }, [{ kind: "requestGrant", bucket }]];
}

function withoutCodes(state: SessionState): SessionState {
  const { qr: _qr, pairingCode: _code, ...rested } = state;
  return rested;
}

function rest(
  state: SessionState,
  as: Extract<SessionState["phase"], { kind: "Resting" }>["as"],
  effects: readonly Effect[],
): Step {
  const { nextAttemptMs: _due, connectedSinceMs: _since, windowEndsMs: _ends, ...rested } = withoutCodes(state);
  return [{ ...rested, phase: { kind: "Resting", as } }, effects];
}

/** The window opens with the first code and is never prolonged by a further connection. */
function openWindow(state: SessionState, at: Circumstances): Step {
  if (state.windowEndsMs !== undefined) return [state, []];
  const delayMs = at.spec.pairing.windowMs;
  return [{ ...state, windowEndsMs: at.nowMs + delayMs }, [{ kind: "endWindowIn", delayMs }]];
}

function showQr(state: SessionState, code: string, at: Circumstances): Step {
  if (at.spec.pairing.method === "PairingCode") return [state, []];
  const [opened, effects] = openWindow(state, at);
  const lifetimeMs = state.codesShown === 0 ? firstQrMs : furtherQrMs;
  const expiresMs = Math.min(at.nowMs + lifetimeMs, opened.windowEndsMs ?? Infinity);
  const attempt = state.codesShown + 1;
  const qr = { code, attempt, expiresAt: new Date(expiresMs).toISOString() };
  return [
    { ...opened, phase: { kind: "AwaitingPairing" }, hasShownCode: true, codesShown: attempt, qr },
    [...effects, { kind: "count", what: "qr" }],
  ];
}

function showPairingCode(
  state: SessionState,
  event: Extract<SessionEvent, { kind: "pairingCode" }>,
  at: Circumstances,
): Step {
  const [opened, effects] = openWindow(state, at);
  const expiresMs = Math.min(at.nowMs + event.validMs, opened.windowEndsMs ?? Infinity);
  const pairingCode = { code: event.code, expiresAt: new Date(expiresMs).toISOString() };
  return [{ ...opened, phase: { kind: "AwaitingPairing" }, hasShownCode: true, pairingCode }, effects];
}

function opened(state: SessionState, event: Extract<SessionEvent, { kind: "open" }>, at: Circumstances): Step {
  const { windowEndsMs: _ends, nextAttemptMs: _due, ...rested } = withoutCodes(state);
  const next: SessionState = {
    ...rested,
    phase: { kind: "Connected" },
    isPaired: true,
    hasLoggedIn: true,
    identity: event.identity,
    connectedSinceMs: at.nowMs,
  };
  return [next, state.desired === "LoggedOut" ? [{ kind: "logOut" }] : []];
}

/** A connection ended: its cause decides what follows. */
function closed(state: SessionState, event: Closed, at: Circumstances): Step {
  if (state.phase.kind === "Resting") return [state, []];
  const cause = causeOf(event.disconnect);
  const ended = remember(state, { event, cause }, at);
  const counted: Effect = { kind: "count", what: "disconnect", cause };
  const [next, effects] = follow(ended, { event, cause }, at);
  return [next, [counted, ...effects]];
}

function remember(
  state: SessionState,
  { event, cause }: { event: Closed; cause: Cause },
  at: Circumstances,
): SessionState {
  const { connectedSinceMs, ...rested } = withoutCodes(state);
  const wasStable = connectedSinceMs !== undefined && at.nowMs - connectedSinceMs >= stableAfterMs;
  const failures = cause === "RestartRequired" ? 0 : wasStable ? 1 : state.failures + 1;
  const { statusCode, message, egress } = event.disconnect;
  const reachedServer = egress === undefined && cause !== "ProxyFault";
  const lastDisconnect = {
    time: new Date(at.nowMs).toISOString(),
    cause,
    message,
    clientVersion: event.clientVersion,
    ...(statusCode !== undefined && { statusCode }),
    ...(event.location !== undefined && { location: event.location }),
    ...(cause === "TempBanned" && {
      expiresAt: new Date(at.nowMs + (event.expireMs ?? banWithoutEndMs)).toISOString(),
    }),
  };
  return { ...rested, failures, failuresAtServer: state.failuresAtServer + (reachedServer ? 1 : 0), lastDisconnect };
}

function follow(state: SessionState, { event, cause }: { event: Closed; cause: Cause }, at: Circumstances): Step {
  const { recovery } = causeFacts[cause];
  switch (recovery) {
    case "AtOnce":
      return begin(state, cause === "RestartRequired" ? "restart" : bucketFor(state.isPaired));
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

function windowEnded(state: SessionState, at: Circumstances): Step {
  if (state.isPaired || state.phase.kind === "Resting") return [state, []];
  const lastDisconnect = {
    time: new Date(at.nowMs).toISOString(),
    cause: "QrExpired" as const,
    message: "the pairing window ended",
  };
  return rest({ ...state, lastDisconnect }, "Hibernated", [
    { kind: "closeSocket" },
    { kind: "count", what: "disconnect", cause: "QrExpired" },
  ]);
}

/**
 * A device that is to be unlinked and is no more: only its credentials are left to erase, and `loggedOut` follows. One whose
 * first login is refused was never linked: its end came between the commit of its credentials and the answer to the phone.
 * Nobody unlinked it, so nobody has to ask for the next code.
 */
function pairAgain(state: SessionState, cause: Cause): Step {
  if (state.desired === "LoggedOut") return [state, [{ kind: "eraseCredentials" }]];
  if (cause === "LoggedOut" && state.isPaired && !state.hasLoggedIn)
    return [state, [{ kind: "startAfresh", reason: cause }]];
  if (cause === "LoggedOut" && state.isPaired)
    return rest({ ...state, isPaired: false }, "LoggedOut", [
      { kind: "archiveCredentials", reason: cause },
      { kind: "closeSocket" },
    ]);
  return rest(state, "Hibernated", [{ kind: "closeSocket" }]);
}

/** An unpaired device to which the server gave no code gives up after some attempts; within an open window it goes on. */
function backOff(state: SessionState, at: Circumstances): Step {
  const isWindowOver = state.windowEndsMs !== undefined && at.nowMs >= state.windowEndsMs;
  const hasGivenUp = !state.isPaired && !state.hasShownCode && state.failuresAtServer >= at.spec.unpairedAttempts;
  if (!state.isPaired && (hasGivenUp || isWindowOver)) return rest(state, "Hibernated", [{ kind: "closeSocket" }]);
  const limits = { baseMs: at.spec.baseDelayMs, maxMs: at.spec.maxDelayMs };
  return wait(state, backoffMs(state.failures, limits, at.random), at);
}

function wait(state: SessionState, delayMs: number, at: Circumstances): Step {
  const next: SessionState = {
    ...state,
    phase: { kind: "BackingOff", bucket: bucketFor(state.isPaired) },
    nextAttemptMs: at.nowMs + delayMs,
  };
  return [next, [{ kind: "wakeIn", delayMs }]];
}
