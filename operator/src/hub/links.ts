import type { Assignment, DeviceRef, SessionReport } from "@wa/schema";

/** A session pod as its link shows it. Plain values: the world's snapshot is made of these. */
export interface LinkedPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly node: string;
  readonly endpoint: string;
  /** A link stands now. */
  readonly isConnected: boolean;
  /** When the hub last heard the pod, in milliseconds of the operator's monotonic clock. */
  readonly lastHeardMs: number;
  /** Last report of each session, by device UID. */
  readonly sessions: ReadonlyMap<string, SessionReport>;
  /** Sessions of devices that the operator knows nothing of, by device UID, as its first hello told them. */
  readonly former?: FormerSessions;
  readonly observedIPs: readonly string[];
  readonly egressProblem?: { readonly reason: string; readonly message: string };
  /** It works with another store, or by another login, than it was told last. */
  readonly storeProblem?: { readonly reason: string; readonly message: string };
  /** Why the hub has refused its last link; a link that stands has none. */
  readonly refusal?: { readonly reason: string; readonly message: string };
}

/** Devices may be deleted while their sessions run, and a leader that has just begun never saw them: it has the pod's word alone. */
interface FormerSessions {
  readonly sessions: ReadonlyMap<string, SessionReport>;
  /** When they were told, in milliseconds of the operator's monotonic clock. */
  readonly sinceMs: number;
}

/** What a pod shall run: sent whole whenever it differs from what was sent last. */
export interface DesiredSessions {
  readonly egressIPEndpoints: readonly string[];
  readonly assignments: readonly Assignment[];
}

/** The links as the rest of the operator sees them. */
export interface Links {
  /** Pods that were linked since this leader started, by pod UID; kept until `forget`. */
  pods(): ReadonlyMap<string, LinkedPod>;
  /** Level-based: call it with the whole wish as often as you like; only differences travel. Kept for pods that link later. */
  setDesired(podUid: string, desired: DesiredSessions): void;
  forget(podUid: string): void;
  /** The API server has no pod of this UID any more: its link ends, and it gets none again. */
  cut(podUid: string): void;
  /**
   * Makes the start ledgers of addresses or endpoints (`namespace/name`) where there are none. Call it before a status names them: a
   * ledger that a status names and that is not there was lost.
   */
  openLedgers(subjects: readonly string[]): Promise<void>;
  /** Called with what changed, so that its key is queued: a pod's link or egress (endpoint), or one session (device). */
  onChange(listener: (change: LinkChange) => void): void;
}

export type LinkChange =
  | { readonly kind: "Endpoint"; readonly namespace: string; readonly name: string }
  | { readonly kind: "Device"; readonly namespace: string; readonly name: string };

/** Answers whether a pod that presents a valid token is one that the operator created and recorded (its endpoint's status holds the UID). */
export type IsOurPod = (pod: {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}) => { readonly kind: "Ours"; readonly endpoint: string } | { readonly kind: "Foreign"; readonly message: string };

/** Whether the operator itself has given a device to a pod; Unknown: it knows no device of that UID. */
export type AssignmentOf = (podUid: string) => (device: DeviceRef) => "Here" | "Elsewhere" | "Unknown";

/** How many starts an address may see in a period. */
export interface StartLimit {
  readonly count: number;
  readonly periodMs: number;
}

export interface StartLimits {
  readonly login: StartLimit;
  readonly registration: StartLimit;
}

/** A ledger that an endpoint's starts are entered in. */
export interface Draw {
  /** Name of its Lease. */
  readonly ledger: string;
  /** Limits of the other pools that leave by the address now, by their code: all share it. */
  readonly others: ReadonlyMap<string, StartLimits>;
  /** A status names it, so it was made before: without a Lease it is lost, and not new. */
  readonly isNamed: boolean;
}

/** What a start of an endpoint is paid from. */
export interface Budget {
  /** Code of the endpoint's pool, whose limits these are. */
  readonly pool: string;
  readonly limits: StartLimits;
  /** The endpoint's own ledger, which has the starts from before its address was known, and one an address. */
  readonly draws: readonly Draw[];
}

/** @param heardIPs addresses that the endpoint's pods told: its status comes a moment later */
export type BudgetOf = (namespace: string, endpoint: string, heardIPs: readonly string[]) => Budget;
