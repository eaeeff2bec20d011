import { entitledForMs, linkDownAfterMs } from "@wa/schema";

export interface Heard {
  /** When the operator's link answered last, and when the store last confirmed our own epoch; a monotonic clock's milliseconds. */
  readonly linkMs: number;
  readonly storeMs: number;
}

/** Whether a session may keep its socket: the link answers, or the store still names this pod as the owner. */
export function isEntitled(heard: Heard, nowMs: number): boolean {
  return nowMs - Math.max(heard.linkMs, heard.storeMs) < entitledForMs;
}

export function isStoreAsked(heard: Pick<Heard, "linkMs">, nowMs: number): boolean {
  return nowMs - heard.linkMs >= linkDownAfterMs;
}
