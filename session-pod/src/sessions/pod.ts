import type { Assignment, DeviceRef, SessionReport } from "@wa/schema";
import type { Logger } from "pino";
import type { PodMetrics } from "../observe/metrics.ts";
import type { OutboxLimits } from "../session/outbox-step.ts";
import type { ClientLibrary } from "./client.ts";
import type { DeviceKey, Dialer, Store } from "./ports.ts";
import type { PodEgress } from "../session/state.ts";

/** What all sessions of a process share. */
export interface Pod {
  readonly store: Store;
  readonly dialer: Dialer;
  readonly library: ClientLibrary;
  readonly metrics: PodMetrics;
  readonly log: Logger;
  /** ws: or wss: URL of WhatsApp's server. */
  readonly url: string;
  /** Whether the dialer goes through a proxy. */
  readonly isProxied: boolean;
  /** The pod's UID. */
  readonly owner: string;
  readonly keyOf: (device: DeviceRef) => DeviceKey;
  /** Deadlines of texts under way; absent: those of every day. */
  readonly outboxLimits?: OutboxLimits | undefined;
}

/** What a session tells its pod. */
interface SessionListener {
  readonly onReport: (report: SessionReport) => void;
  /** The session entered or left the queue for a start. */
  readonly onQueueChange: () => void;
}

export interface SessionOptions {
  readonly pod: Pod;
  readonly egress: PodEgress;
  readonly assignment: Assignment;
  readonly listener: SessionListener;
}
