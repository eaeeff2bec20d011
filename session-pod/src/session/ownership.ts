import type { Assignment } from "@wa/schema";
import { startsInHour } from "./pace.ts";
import { begin, claimAgain, waiting, waitForStart } from "./starts.ts";
import type {
  Circumstances,
  ClaimAnswer,
  Effect,
  OwnershipAnswer,
  SessionEvent,
  SessionState,
  Step,
  StoreAway,
  StoreTrouble,
} from "./state.ts";

/** Between two questions to a store that did not answer. */
const storeRetryMs = 2_000;
const retry: readonly Effect[] = [{ kind: "retryStoreIn", delayMs: storeRetryMs }];

type Event<Kind extends SessionEvent["kind"]> = Extract<SessionEvent, { kind: Kind }>;

/** A raised epoch is claimed; of what else changed, only that which ends a rest or a link acts before the next connection. */
export function assigned(state: SessionState, { assignment: next }: Event<"assigned">, at: Circumstances): Step {
  const before = state.assignment;
  const told = { ...state, assignment: next };
  if (next.epoch !== before.epoch) return claimAgain(told);
  if (state.phase.kind === "Resting" && isAskedAgain(state, next)) return begin(told, at);
  const isToUnlink = next.desired === "LoggedOut" && before.desired === "Running";
  return state.phase.kind === "Connected" && isToUnlink ? askBeforeLogout(told) : [told, []];
}

/** What ends a rest. A raised epoch ends each; this serves who hands out no epochs, and frames that cross. */
function isAskedAgain({ assignment: before, lastDisconnect }: SessionState, next: Assignment): boolean {
  const isOutdated = lastDisconnect?.cause === "ClientOutdated";
  return (
    next.pairRequestedAt !== before.pairRequestedAt ||
    next.desired !== before.desired ||
    (isOutdated && next.spec.clientVersion !== before.spec.clientVersion)
  );
}

export function claimAnswered(state: SessionState, { run, answer }: Event<"claimAnswered">, at: Circumstances): Step {
  if (run !== state.run || state.phase.kind !== "Claiming") return [state, []];
  return claimed(state, answer, at);
}

function claimed(state: SessionState, answer: ClaimAnswer, at: Circumstances): Step {
  switch (answer.kind) {
    case "Owned": {
      const { isPaired, hasLoggedIn, identity } = answer;
      const { identity: _before, ...others } = state;
      const owner = { ...others, isPaired, hasLoggedIn, storeHeardMs: at.uptimeMs, ...(identity && { identity }) };
      return begin(owner, at);
    }
    case "ClaimRefused":
      return [{ ...state, phase: answer }, []];
    case "StoreUnavailable":
    case "StoreRefused":
      return claimLater(state, answer);
    default:
      return answer satisfies never;
  }
}

function claimLater(state: SessionState, trouble: StoreTrouble): Step {
  return [{ ...state, phase: { kind: "Claiming", trouble } }, retry];
}

export function ownershipAnswered(
  state: SessionState,
  { run, answer }: Event<"ownershipAnswered">,
  at: Circumstances,
): Step {
  if (run !== state.run) return [state, []];
  if (answer.kind === "Lost") return claimAgain(state);
  const heard = answer.kind === "Owned" ? { ...state, storeHeardMs: at.uptimeMs } : state;
  const { phase } = heard;
  if (phase.kind === "WaitingForGrant" && phase.stage.kind === "AskingStore")
    return answeredWhileWaiting(heard, answer, at);
  if (phase.kind === "Connected" && phase.logout?.kind === "AskingStore") return answeredBeforeLogout(heard, answer);
  return [heard, []];
}

function answeredWhileWaiting(state: SessionState, answer: OwnershipAnswer, at: Circumstances): Step {
  const { phase } = state;
  if (phase.kind !== "WaitingForGrant" || phase.stage.kind !== "AskingStore") return [state, []];
  const { bucket, stage } = phase;
  if (answer.kind === "StoreUnavailable") {
    const storeAway = { message: answer.message };
    return [{ ...state, phase: waiting(bucket, { kind: "AskingStore", storeAway }) }, retry];
  }
  // Also where the store took longer than the grant lasts: a start now would be one that nobody counts.
  if (stage.endMs === undefined || at.uptimeMs > stage.endMs)
    return [{ ...state, phase: waiting(bucket, { kind: "Queued" }) }, [{ kind: "requestGrant", bucket }]];
  return [
    {
      ...state,
      phase: { kind: "Connecting" },
      announcedVersion: state.assignment.spec.clientVersion,
      startsMs: [...startsInHour(state.startsMs, at.uptimeMs), at.uptimeMs],
    },
    [{ kind: "count", what: "start", bucket }, { kind: "connect" }],
  ];
}

/** Before the server is told to forget a device, too: it may be another session's by now. */
export function askBeforeLogout(state: SessionState, storeAway?: StoreAway): Step {
  const run = state.run + 1;
  const logout = { kind: "AskingStore" as const, ...(storeAway && { storeAway }) };
  return [{ ...state, run, phase: { kind: "Connected", logout } }, [{ kind: "askOwnership", run }]];
}

function answeredBeforeLogout(state: SessionState, answer: OwnershipAnswer): Step {
  if (answer.kind === "StoreUnavailable") {
    const logout = { kind: "AskingStore" as const, storeAway: { message: answer.message } };
    return [{ ...state, phase: { kind: "Connected", logout } }, retry];
  }
  const run = state.run + 1;
  return [{ ...state, run, phase: { kind: "Connected", logout: { kind: "Told" } } }, [{ kind: "logOut", run }]];
}

/** The new owner may be connecting: no time for a goodbye. */
export function superseded(state: SessionState): Step {
  if (state.phase.kind === "Resting") return [state, []];
  const [next, effects] = claimAgain(state);
  return [next, [{ kind: "terminateSocket" }, ...effects]];
}

export function granted(state: SessionState, { endMs }: Event<"granted">): Step {
  const { phase } = state;
  if (phase.kind !== "WaitingForGrant" || phase.stage.kind !== "Queued") return [state, []];
  const run = state.run + 1;
  return [
    { ...state, run, phase: waiting(phase.bucket, { kind: "AskingStore", endMs }) },
    [{ kind: "askOwnership", run }],
  ];
}

export function storeRetryDue(state: SessionState): Step {
  const { phase } = state;
  if (phase.kind === "Claiming" && phase.trouble !== undefined) {
    const run = state.run + 1;
    return [{ ...state, run }, [{ kind: "claim", run }]];
  }
  if (phase.kind === "WaitingForGrant" && phase.stage.kind === "AskingStore")
    return waitForStart(state, phase.bucket, phase.stage.storeAway);
  if (phase.kind === "Connected" && phase.logout?.kind === "AskingStore")
    return askBeforeLogout(state, phase.logout.storeAway);
  return [state, []];
}

export function egressChanged(state: SessionState, { egress }: Event<"egressChanged">): Step {
  const next = { ...state, egress };
  const { phase } = next;
  const isReady = egress.problem === undefined;
  if (phase.kind === "WaitingForGrant" && phase.stage.kind === "EgressUnready" && isReady)
    return waitForStart(next, phase.bucket);
  return [next, []];
}

/** What was put away is nobody's any more: the device is an unlinked one. */
export function archived(state: SessionState, { run, outcome }: Event<"archived">, at: Circumstances): Step {
  const { archiving, identity: _identity, ...others } = state;
  if (run !== state.run || archiving === undefined) return [state, []];
  if (outcome === "Lost") return claimAgain(others);
  const unlinked = { ...state, isPaired: false, hasLoggedIn: false };
  const { archiving: _done, ...done } = unlinked;
  return archiving.thenBegin ? begin(done, at) : [done, []];
}
