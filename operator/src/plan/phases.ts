import type { Condition, DevicePhase, DeviceReason } from "@wa/schema";
import type { Wanted } from "./set-conditions.ts";

type Flag = Condition["status"];

/** What a situation means for phase and conditions; the docs' table is made of these rows. */
export interface Row {
  readonly phase: DevicePhase;
  /** Shown instead for a device that is linked already: it comes back rather than connects for the first time. */
  readonly pairedPhase?: DevicePhase;
  readonly ready: Flag;
  readonly scheduled: Flag;
  readonly connected: Flag;
  readonly progress: Progress;
  readonly explains: string;
}

/**
 * `Reconciling`: the operator or a session works on it, or it waits for its turn. `Waiting`: a person may act, nothing is wrong.
 * `Stalled`: nothing goes on until a person acts. `Settled`: as wanted.
 */
type Progress = "Reconciling" | "Waiting" | "Stalled" | "Settled";

const notYet = { ready: "False", scheduled: "True", connected: "False", progress: "Reconciling" } as const;
const nowhere = { ready: "False", scheduled: "False", connected: "False" } as const;
const atRest = { ready: "False", scheduled: "False", connected: "False" } as const;

export const rows = {
  Unscheduled: {
    ...nowhere,
    phase: "Pending",
    progress: "Reconciling",
    explains: "no endpoint can take the device now",
  },
  Leaving: {
    ...nowhere,
    phase: "Pending",
    progress: "Reconciling",
    explains: "its former session pod has not let go yet",
  },
  PodBlocked: {
    ...nowhere,
    phase: "Pending",
    progress: "Stalled",
    explains: "a pod that is not ours has the session pod's name",
  },
  PodRefused: {
    ...nowhere,
    phase: "Pending",
    progress: "Reconciling",
    explains: "the API server refuses the session pod",
  },
  PodStarting: { ...notYet, phase: "Scheduled", pairedPhase: "Reconnecting", explains: "its session pod starts" },
  Starting: { ...notYet, phase: "Scheduled", pairedPhase: "Reconnecting", explains: "its session takes the device" },
  StoreUnavailable: {
    ...notYet,
    phase: "Connecting",
    pairedPhase: "Reconnecting",
    explains: "the store does not answer",
  },
  StoreRefused: {
    ...notYet,
    phase: "Pending",
    progress: "Stalled",
    explains: "the store belongs to another key or version",
  },
  EgressUnready: {
    ...notYet,
    phase: "Connecting",
    pairedPhase: "Reconnecting",
    explains: "its way out is not usable yet",
  },
  WaitingForGrant: {
    ...notYet,
    phase: "Connecting",
    pairedPhase: "Reconnecting",
    explains: "it waits for its turn to start",
  },
  Connecting: { ...notYet, phase: "Connecting", pairedPhase: "Reconnecting", explains: "an attempt runs" },
  BackingOff: {
    ...notYet,
    phase: "Connecting",
    pairedPhase: "Reconnecting",
    explains: "it waits before the next attempt",
  },
  AwaitingPairing: {
    ...notYet,
    phase: "AwaitingPairing",
    progress: "Waiting",
    explains: "a phone has to scan or type the code",
  },
  Connected: {
    phase: "Connected",
    ready: "True",
    scheduled: "True",
    connected: "True",
    progress: "Settled",
    explains: "it works",
  },
  Silent: {
    phase: "Reconnecting",
    ready: "Unknown",
    scheduled: "True",
    connected: "Unknown",
    progress: "Reconciling",
    explains: "its session pod does not answer the operator; the session may live",
  },
  Hibernated: {
    ...atRest,
    phase: "Hibernated",
    progress: "Waiting",
    explains: "nobody scanned; no socket until asked again",
  },
  LoggedOut: { ...atRest, phase: "LoggedOut", progress: "Stalled", explains: "the phone unlinked it" },
  Blocked: { ...atRest, phase: "Blocked", progress: "Stalled", explains: "an attempt would not help or would harm" },
  Suspended: { ...atRest, phase: "Suspended", progress: "Waiting", explains: "spec.suspend is true" },
  Unattended: {
    ...nowhere,
    phase: "Pending",
    pairedPhase: "Reconnecting",
    progress: "Stalled",
    explains: "the operator was uninstalled; its session pod is gone",
  },
  LoggingOut: { ...notYet, phase: "Terminating", explains: "it is unlinked at WhatsApp before it goes" },
  Terminating: { ...atRest, phase: "Terminating", progress: "Reconciling", explains: "it goes; its credentials stay" },
} as const satisfies Readonly<Record<string, Row>>;

export type SituationName = keyof typeof rows;

/** Where a device stands now, with a word and a sentence for why. */
export interface Situation {
  readonly name: SituationName;
  readonly reason: DeviceReason;
  readonly message: string;
  /** Field and value that it is about, where the message comes from somebody who cannot name them; part of it already. */
  readonly field?: string;
}

export const situationNames = Object.keys(rows).filter((name): name is SituationName => name in rows);

export const rowOf = (name: SituationName): Row => rows[name];

export function phaseOf({ name }: Situation, isPaired: boolean): DevicePhase {
  const row = rowOf(name);
  return isPaired ? (row.pairedPhase ?? row.phase) : row.phase;
}

/** The conditions that follow from the situation alone. */
export function conditionsFor(
  situation: Situation,
  place: string,
): Record<"Ready" | "Scheduled" | "Connected" | "Reconciling" | "Stalled", Wanted> {
  const row = rowOf(situation.name);
  const { reason, message } = situation;
  const progress = (type: "Reconciling" | "Stalled"): Wanted =>
    row.progress === type ? { type, status: "True", reason, message } : { type, status: "False", reason: `Not${type}` };
  return {
    Ready: { type: "Ready", status: row.ready, reason, message },
    Scheduled:
      row.scheduled === "True"
        ? { type: "Scheduled", status: "True", reason: "Assigned", message: place }
        : { type: "Scheduled", status: row.scheduled, reason, message },
    Connected: { type: "Connected", status: row.connected, reason, message },
    Reconciling: progress("Reconciling"),
    Stalled: progress("Stalled"),
  };
}
