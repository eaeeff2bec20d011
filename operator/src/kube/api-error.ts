import { isRecord } from "./object.ts";

/** The API server's answer to a call that failed, as its `Status` object says it. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  /** HTTP status. */
  readonly status: number;
  /** Kubernetes' word for it: `NotFound`, `AlreadyExists`, `Conflict`, `Invalid`, `Expired`, `Forbidden` ... */
  readonly reason: string;
  /** How long the server asked to be left alone. */
  readonly retryAfterMs: number;

  constructor(status: number, reason: string, message: string, retryAfterMs = 0) {
    super(message);
    this.status = status;
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
  }
}

/** An {@link ApiError} from a response's status and body, or from the object of a watch's ERROR event. */
export function apiErrorOf(status: number, body: unknown, retryAfterMs?: number): ApiError {
  const facts = isRecord(body) ? body : {};
  const { reason, message, code } = facts;
  return new ApiError(
    typeof code === "number" ? code : status,
    typeof reason === "string" && reason !== "" ? reason : `Http${status}`,
    typeof message === "string" && message !== "" ? message : `the API server answered ${status}`,
    retryAfterMs,
  );
}

export function isNotFound(error: unknown): boolean {
  return error instanceof ApiError && error.status === 404;
}

/** A stale resourceVersion or a failed uid precondition: look again, then decide again. */
export function isConflict(error: unknown): boolean {
  return error instanceof ApiError && error.status === 409 && error.reason !== "AlreadyExists";
}

export function isAlreadyExists(error: unknown): boolean {
  return error instanceof ApiError && error.reason === "AlreadyExists";
}

/** The watch's resourceVersion is older than etcd's history: list again. */
export function isExpired(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 410 || error.reason === "Expired" || error.reason === "Gone");
}

/** The namespace is being deleted: nothing can be created in it any more. */
export function isNamespaceTerminating(error: unknown): boolean {
  return error instanceof ApiError && error.status === 403 && error.message.includes("being terminated");
}
