import type { SessionReport } from "@wa/schema";
import type { Circumstances, Effect, SessionEvent, SessionState, Step } from "./state.ts";

/** What WhatsApp keeps an account from, as far as it is known; `None`: it said that nothing is. */
export interface Restriction {
  readonly kind: "ReachoutTimelock" | "NewChatsRefused" | "None";
  readonly sinceMs: number;
  readonly untilMs?: number;
  /** When the server last said it. */
  readonly heardMs: number;
}

/** One without an end, of which nothing more is heard, is taken to be over after this. */
const forgottenAfterMs = 86_400_000;
/** An end that lies further ahead is no date to count with. */
const furthestMs = 366 * 86_400_000;

type Restricted = Extract<SessionEvent, { kind: "restricted" }>;

/** A refused text says nothing new of a lock that the server announced with its end. */
export function restricted(state: SessionState, event: Restricted, at: Circumstances): Step {
  const before = state.restriction;
  if (event.as === "NewChatsRefused" && before?.kind === "ReachoutTimelock" && isInForce(before, at))
    return [state, []];
  const sinceMs = before?.kind === event.as ? before.sinceMs : at.nowMs;
  const untilMs = endOf(event.untilMs, at);
  const restriction = { kind: event.as, sinceMs, heardMs: at.nowMs, ...(untilMs !== undefined && { untilMs }) };
  return [{ ...state, restriction }, waitForEnd(restriction, at)];
}

export const unrestricted = (state: SessionState, { nowMs }: Pick<Circumstances, "nowMs">): Step => [
  { ...state, restriction: { kind: "None", sinceMs: nowMs, heardMs: nowMs } },
  [],
];

/** The wait for its end is over, or was as long as a timer goes. */
export function restrictionDue(state: SessionState, at: Circumstances): Step {
  const { restriction } = state;
  if (restriction === undefined || restriction.kind === "None") return [state, []];
  return isInForce(restriction, at) ? [state, waitForEnd(restriction, at)] : unrestricted(state, at);
}

/** No wait outlasts the claim of a device; a new connection waits again. */
export const restrictionWait = ({ restriction }: SessionState, at: Circumstances): Effect[] =>
  restriction === undefined || restriction.kind === "None" ? [] : waitForEnd(restriction, at);

const endsMs = ({ untilMs, heardMs }: Restriction): number => untilMs ?? heardMs + forgottenAfterMs;
const isInForce = (restriction: Restriction, { nowMs }: Circumstances): boolean => nowMs < endsMs(restriction);
const waitForEnd = (restriction: Restriction, { nowMs }: Circumstances): Effect[] => [
  { kind: "endRestrictionIn", delayMs: Math.max(0, endsMs(restriction) - nowMs) },
];

/** The server's word, where it can be one. */
function endOf(untilMs: number | undefined, { nowMs }: Circumstances): number | undefined {
  return untilMs !== undefined && untilMs > nowMs && untilMs <= nowMs + furthestMs ? untilMs : undefined;
}

export function reportedRestriction({ restriction }: SessionState): Pick<SessionReport, "restriction"> {
  if (restriction === undefined) return {};
  const { kind, sinceMs, untilMs } = restriction;
  const since = new Date(sinceMs).toISOString();
  return { restriction: { kind, since, ...(untilMs !== undefined && { until: new Date(untilMs).toISOString() }) } };
}
