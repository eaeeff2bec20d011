import { EgressError, type EgressPhase } from "../sessions/ports.ts";

/** How long each phase may take, in milliseconds. */
export type PhaseTimeouts = Readonly<Record<EgressPhase, number>>;

export const defaultTimeouts: PhaseTimeouts = { dns: 5_000, tcp: 10_000, proxy: 15_000, tls: 10_000 };

/** One attempt to connect: its phases share the end of the whole and are given up together. */
export interface Attempt {
  readonly timeouts: PhaseTimeouts;
  /** On the clock of `performance.now()`. */
  readonly endsAtMs: number;
  /** Aborts attempts that are under way; never touches a connection that was handed over. */
  readonly signal: AbortSignal;
}

/**
 * Runs one phase under its deadline. Whatever goes wrong comes out as EgressError of this phase, without the original
 * error: those of proxy clients carry the proxy's password. The caller destroys the socket.
 */
export async function inPhase<T>(attempt: Attempt, phase: EgressPhase, work: () => Promise<T>): Promise<T> {
  const { promise: failed, reject } = Promise.withResolvers<never>();
  const limitMs = Math.max(0, Math.min(attempt.timeouts[phase], attempt.endsAtMs - performance.now()));
  const timer = setTimeout(
    () => reject(new EgressError(phase, "Timeout", `${phase}: no answer within ${Math.round(limitMs)} ms`)),
    limitMs,
  );
  const onAbort = (): void => reject(new EgressError(phase, "Aborted", `${phase}: given up`));
  attempt.signal.addEventListener("abort", onAbort, { once: true });
  try {
    if (attempt.signal.aborted) onAbort();
    return await Promise.race([failed, work()]);
  } catch (error) {
    throw asEgressError(phase, error);
  } finally {
    clearTimeout(timer);
    attempt.signal.removeEventListener("abort", onAbort);
  }
}

function asEgressError(phase: EgressPhase, error: unknown): EgressError {
  if (error instanceof EgressError) return error;
  const code = codeOf(error);
  return new EgressError(phase, code, `${phase}: ${code}`);
}

/** A host with several addresses fails with one error for each, wrapped in one that says nothing. */
function codeOf(error: unknown): string {
  const candidates: unknown[] = error instanceof AggregateError ? [...error.errors, error] : [error];
  for (const candidate of candidates)
    if (candidate instanceof Error && "code" in candidate && typeof candidate.code === "string") return candidate.code;
  return "Unknown";
}
