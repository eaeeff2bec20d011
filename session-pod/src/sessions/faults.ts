import { AsyncLocalStorage } from "node:async_hooks";
import type { RunningSession } from "./running-session.ts";

interface Context {
  readonly session: RunningSession;
  /** Present in whatever one connection of the session began. */
  readonly connection?: symbol;
}

const current = new AsyncLocalStorage<Context>();
const newest = new WeakMap<RunningSession, symbol>();

/** Runs work so that whatever fails in it, now or in anything it started, is known to be this session's. */
export function inContextOf<T>(session: RunningSession, work: () => T): T {
  return current.run({ session }, work);
}

/** As {@link inContextOf}, for the work that opens a connection: what it leaves behind must not end the next one. */
export function inContextOfNextConnection<T>(session: RunningSession, work: () => T): T {
  const connection = Symbol("connection");
  newest.set(session, connection);
  return current.run({ session, connection }, work);
}

/**
 * A failure that nobody caught ends the session in whose context it happened, and that session alone; the client library fails
 * so on frames it cannot decrypt. A failure of nobody's ends the process: `onUnattributed` has to do that.
 *
 * @returns removes the handlers
 */
export function attributeFaults(onUnattributed: (error: unknown) => void): () => void {
  const handle = (error: unknown): void => {
    const context = current.getStore();
    if (context === undefined) return onUnattributed(error);
    const { session, connection } = context;
    session.fault(error, connection !== undefined && connection !== newest.get(session));
  };
  process.on("unhandledRejection", handle);
  process.on("uncaughtException", handle);
  return () => {
    process.off("unhandledRejection", handle);
    process.off("uncaughtException", handle);
  };
}
