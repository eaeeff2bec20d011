import { AsyncLocalStorage } from "node:async_hooks";
import type { RunningSession } from "./running-session.ts";

const current = new AsyncLocalStorage<RunningSession>();

/** Runs work so that whatever fails in it, now or in anything it started, is known to be this session's. */
export function inContextOf<T>(session: RunningSession, work: () => T): T {
  return current.run(session, work);
}

/**
 * A failure that nobody caught ends the session in whose context it happened, and that session alone; the client library fails
 * so on frames it cannot decrypt. A failure of nobody's ends the process: `onUnattributed` has to do that.
 *
 * @returns removes the handlers
 */
export function attributeFaults(onUnattributed: (error: unknown) => void): () => void {
  const handle = (error: unknown): void => {
    const session = current.getStore();
    if (session === undefined) onUnattributed(error);
    else session.fault(error);
  };
  process.on("unhandledRejection", handle);
  process.on("uncaughtException", handle);
  return () => {
    process.off("unhandledRejection", handle);
    process.off("uncaughtException", handle);
  };
}
