import { isRecord } from "./object.ts";

/** What came of one attempt at a call. */
export type Failure =
  | { readonly kind: "Status"; readonly status: number; readonly retryAfterMs: number | undefined }
  | { readonly kind: "Connection"; readonly code: string };

/** Longest single wait, also when the server asks for more. */
export const maxRetryWaitMs = 15_000;
const baseWaitMs = 100;
/** The connection was never made, so the server saw nothing. */
const neverSent = new Set(["ECONNREFUSED", "UND_ERR_CONNECT_TIMEOUT", "EHOSTUNREACH", "ENETUNREACH"]);
/** The connection broke: the server may or may not have done it. */
const brokenOff = new Set(["ECONNRESET", "EPIPE", "UND_ERR_SOCKET", "ETIMEDOUT"]);

/**
 * How long to wait before the next attempt, or undefined: give up. 429 means that nothing was done, so every verb may try
 * again; after a 503 or a broken connection only verbs that can be repeated. Patches count as such: ours carry a
 * resourceVersion, so a repeated one ends as a conflict at worst.
 */
export function retryWaitMs(method: string, attempt: number, failure: Failure): number | undefined {
  if (!isRetryable(method, failure)) return undefined;
  const askedMs = failure.kind === "Status" ? failure.retryAfterMs : undefined;
  return Math.min(askedMs ?? baseWaitMs * 2 ** attempt, maxRetryWaitMs);
}

function isRetryable(method: string, failure: Failure): boolean {
  const isRepeatable = method !== "POST";
  if (failure.kind === "Connection")
    return neverSent.has(failure.code) || (isRepeatable && brokenOff.has(failure.code));
  return failure.status === 429 || (failure.status === 503 && isRepeatable);
}

/** `Retry-After` in seconds, as API Priority and Fairness sends it. */
export function retryAfterMsOf(header: string | readonly string[] | undefined): number | undefined {
  const text = typeof header === "string" ? header : header?.[0];
  const seconds = Number(text ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1_000 : undefined;
}

/** The system's or undici's code of an error, also when it is wrapped as a cause. */
export function errorCodeOf(error: unknown): string {
  if (!isRecord(error)) return "";
  const { code, cause } = error;
  return typeof code === "string" ? code : errorCodeOf(cause);
}
