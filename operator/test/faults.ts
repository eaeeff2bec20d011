/** What a path to an API server does to one request: as data, so that a test can list, choose and count them. */
export type Fault =
  /** Answered on the way, as by a load balancer, an overloaded or an expired API server. */
  | { readonly kind: "Status"; readonly status: 410 | 429 | 500 | 503; readonly retryAfterS?: number }
  /** `isDone`: the API server has done it, and the answer is lost. */
  | { readonly kind: "ResetBeforeHeaders"; readonly isDone: boolean }
  | { readonly kind: "ResetInBody" }
  /** Accepted and never answered. */
  | { readonly kind: "HalfOpen" }
  /** The body, or each line of a watch, comes in this many pieces. */
  | { readonly kind: "Slow"; readonly pieces: number; readonly pauseMs: number }
  | WatchFault;

/** Faults of a stream that flowed at first: `afterLines` came whole. */
type WatchFault =
  | { readonly kind: "ErrorEvent"; readonly status: 410 | 500; readonly afterLines: number }
  | { readonly kind: "ResetInLine"; readonly afterLines: number }
  /** Half a line, and then an end in order. */
  | { readonly kind: "CutLine"; readonly afterLines: number }
  /** Every line twice, and the last few again after each fifth. */
  | { readonly kind: "Repeat" }
  /** Open, and nothing comes any more. */
  | { readonly kind: "Silent"; readonly afterLines: number };

/** What a request is, as far as a fault cares. */
export interface Asked {
  readonly method: string;
  /** Without its query. */
  readonly path: string;
  readonly kind: "List" | "Watch" | "Get" | "Write";
}

/** Which fault a request meets; undefined: none. */
export type FaultPlan = (asked: Asked) => Fault | undefined;

/** A name to count by, such as `Status 429` or `CutLine`. */
export function labelOf(fault: Fault): string {
  return fault.kind === "Status" || fault.kind === "ErrorEvent" ? `${fault.kind} ${fault.status}` : fault.kind;
}
