import { judge, type SendFault, type Verdict } from "./send-faults.ts";

/** A text of the outbox, as far as its way matters. */
export interface Outgoing {
  readonly messageId: string;
  /** Tries that failed, as the store counts them. */
  readonly attempts: number;
}

/**
 * `Leaving`: handed to the socket. `Unanswered`: sent, and the server has not said a word. `Settling`: its fate is on its way into
 * the store. `Settled`: its fate is stored; it is remembered until a list of the outbox was read after that.
 */
interface UnderWay extends Outgoing {
  readonly state: "Leaving" | "Unanswered" | "Settling" | "Settled";
  /** How often it was handed over on this connection. */
  readonly handed: number;
  /** When it was handed over first, and when it was sent last. Milliseconds of a clock that never jumps. */
  readonly sinceMs: number;
  readonly sentMs: number;
}

/** The outbox of one connection. */
export interface OutboxState {
  readonly underWay: ReadonlyMap<string, UnderWay>;
  /** When the server last acknowledged a text of any kind. */
  readonly answeredMs: number;
}

export const newOutbox: OutboxState = { underWay: new Map(), answeredMs: -Infinity };

export type Fate = { readonly state: "Sent" } | Verdict;

export type OutboxEvent =
  /** What is queued in the store and due, oldest first. */
  | { readonly kind: "listed"; readonly messages: readonly Outgoing[] }
  | { readonly kind: "sent"; readonly messageId: string }
  | { readonly kind: "notSent"; readonly messageId: string; readonly fault: SendFault }
  | { readonly kind: "acknowledged"; readonly messageId: string; readonly fault: SendFault | undefined }
  | { readonly kind: "stored"; readonly messageId: string }
  /** Time has passed. */
  | { readonly kind: "looked" };

export type OutboxEffect =
  | { readonly kind: "handOver"; readonly messageId: string }
  | { readonly kind: "store"; readonly messageId: string; readonly fate: Fate }
  /** A server that acknowledges nothing: the connection is worth nothing. */
  | { readonly kind: "reconnect"; readonly reason: string };

export interface OutboxLimits {
  /** How long the server may take for an acknowledgement before the same id is sent again. */
  readonly answerWithinMs: number;
  /** Texts under way at once; more wait in the store. */
  readonly mostUnderWay: number;
}

export const outboxLimits: OutboxLimits = { answerWithinMs: 60_000, mostUnderWay: 100 };

export interface OutboxCircumstances {
  /** Of a clock that never jumps. */
  readonly elapsedMs: number;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  /** In [0, 1). */
  readonly random: number;
  readonly limits: OutboxLimits;
}

type Step = readonly [OutboxState, readonly OutboxEffect[]];

/** How a connection treats the outbox: what is handed over, sent once more, put back, given up. */
export function outboxStep(state: OutboxState, event: OutboxEvent, at: OutboxCircumstances): Step {
  switch (event.kind) {
    case "listed":
      return handOver(forgetSettled(state, event.messages), event.messages, at);
    case "sent":
      return [change(state, event.messageId, "Leaving", { state: "Unanswered", sentMs: at.elapsedMs }), []];
    case "notSent":
      return settle(state, event.messageId, ["Leaving"], (attempts) => judge(event.fault, attempts, at));
    case "acknowledged":
      return settle({ ...state, answeredMs: at.elapsedMs }, event.messageId, ["Leaving", "Unanswered"], (attempts) =>
        event.fault === undefined ? { state: "Sent" } : judge(event.fault, attempts, at),
      );
    case "stored":
      return [change(state, event.messageId, "Settling", { state: "Settled" }), []];
    case "looked":
      return look(state, at);
    default:
      return event satisfies never;
  }
}

/** Of those the store need not tell again. */
export const isInHand = ({ state }: UnderWay): boolean => state !== "Settled";

/** The longest that a text has been under way. */
export function oldestMs({ underWay }: OutboxState, elapsedMs: number): number {
  const waiting = [...underWay.values()].filter(isInHand);
  return waiting.reduce((oldest, { sinceMs }) => Math.max(oldest, elapsedMs - sinceMs), 0);
}

function change(
  state: OutboxState,
  messageId: string,
  from: UnderWay["state"],
  changes: Partial<UnderWay>,
): OutboxState {
  const found = state.underWay.get(messageId);
  if (found?.state !== from) return state;
  return { ...state, underWay: new Map(state.underWay).set(messageId, { ...found, ...changes }) };
}

/**
 * A list that was read before a fate was stored still names its message, which must not go out again. A later list names only
 * what was put back, and that with one more try than before.
 */
function forgetSettled(state: OutboxState, messages: readonly Outgoing[]): OutboxState {
  const listed = new Map(messages.map(({ messageId, attempts }) => [messageId, attempts]));
  const kept = [...state.underWay].filter(([messageId, { state: is, attempts }]) => {
    if (is !== "Settled") return true;
    return (listed.get(messageId) ?? Infinity) <= attempts;
  });
  return kept.length === state.underWay.size ? state : { ...state, underWay: new Map(kept) };
}

function handOver(state: OutboxState, messages: readonly Outgoing[], at: OutboxCircumstances): Step {
  const room = at.limits.mostUnderWay - [...state.underWay.values()].filter(isInHand).length;
  const fresh = messages.filter(({ messageId }) => !state.underWay.has(messageId)).slice(0, Math.max(0, room));
  if (fresh.length === 0) return [state, []];
  const underWay = new Map(state.underWay);
  for (const { messageId, attempts } of fresh) {
    const times = { sinceMs: at.elapsedMs, sentMs: at.elapsedMs };
    underWay.set(messageId, { messageId, attempts, state: "Leaving", handed: 1, ...times });
  }
  return [{ ...state, underWay }, fresh.map(({ messageId }) => ({ kind: "handOver", messageId }))];
}

function settle(
  state: OutboxState,
  messageId: string,
  from: readonly UnderWay["state"][],
  fateOf: (attempts: number) => Fate,
): Step {
  const found = state.underWay.get(messageId);
  if (found === undefined || !from.includes(found.state)) return [state, []];
  const fate = fateOf(found.attempts);
  return [change(state, messageId, found.state, { state: "Settling" }), [{ kind: "store", messageId, fate }]];
}

/**
 * A text without an answer is sent once more, under the same id, by which the server and the recipient know it. Still without one,
 * it goes back into the outbox to wait; and where the server answered no other text meanwhile either, the connection ends.
 */
function look(state: OutboxState, at: OutboxCircumstances): Step {
  const isOverdue = (one: UnderWay): boolean =>
    one.state === "Unanswered" && at.elapsedMs - one.sentMs >= at.limits.answerWithinMs;
  const overdue = [...state.underWay.values()].filter(isOverdue);
  let next = state;
  const effects: OutboxEffect[] = [];
  for (const { messageId, handed } of overdue) {
    if (handed === 1) {
      next = change(next, messageId, "Unanswered", { state: "Leaving", handed: 2 });
      effects.push({ kind: "handOver", messageId });
      continue;
    }
    const [settled, stored] = settle(next, messageId, ["Unanswered"], (attempts) =>
      judge({ code: 408, message: "the server did not acknowledge it" }, attempts, at),
    );
    next = settled;
    effects.push(...stored);
  }
  const givenUp = overdue.filter(({ handed }) => handed > 1);
  const isDeaf = givenUp.some(({ sentMs }) => state.answeredMs < sentMs);
  const waitedMs = 2 * at.limits.answerWithinMs;
  const reason = `the server acknowledged no message for ${waitedMs} ms`;
  return [next, isDeaf ? [...effects, { kind: "reconnect", reason }] : effects];
}
