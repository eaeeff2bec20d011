import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { FenceLostError, GenerationClosedError, StoreRefusedError, StoreUnavailableError } from "../sessions/ports.ts";

const firstPauseMs = 50;
const longestPauseMs = 1_000;

/** Told of every failed attempt and every row that cannot be read, for a log line and a metric. Holds no values. */
export type OnTrouble = (trouble: {
  readonly operation: string;
  readonly code: string;
  readonly message: string;
}) => void;

const WithCode = z.object({ code: z.string() });

/** A driver's error carries rows in its `detail`; so its code and message go on, and itself does not. */
export function describeError(error: unknown): { readonly code: string; readonly message: string } {
  // A host with several addresses fails with one error for each, under an empty message.
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  const code = WithCode.safeParse(first).data?.code ?? "Unknown";
  return { code, message: first instanceof Error ? first.message : "unknown error" };
}

function isFinal(error: unknown): boolean {
  return (
    error instanceof FenceLostError || error instanceof GenerationClosedError || error instanceof StoreRefusedError
  );
}

/** Runs once. Whatever the database or the way to it does becomes StoreUnavailableError; answers about ownership stay. */
export async function orUnavailable<T>(operation: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isFinal(error)) throw error;
    const { code, message } = describeError(error);
    throw new StoreUnavailableError(`${operation}: ${message} (${code})`);
  }
}

/** Runs until it succeeds or the answer is final, pausing 50 ms at first and a second at most. An abort ends the wait. */
export async function untilDone<T>(
  { operation, signal, onTrouble }: { operation: string; signal: AbortSignal; onTrouble: OnTrouble },
  work: () => Promise<T>,
): Promise<T> {
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      if (isFinal(error)) throw error;
      signal.throwIfAborted();
      onTrouble({ operation, ...describeError(error) });
      await sleep(pauseMs, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
}
