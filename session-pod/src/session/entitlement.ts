/** After this long without a word a link counts as down, and the store is asked in its place. */
const linkDownAfterMs = 10_000;
export const storeCheckEveryMs = 5_000;
/** Both silent for this long: another pod may have been given the device. */
const entitledForMs = 30_000;

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
