import type { Bucket, DeviceRef } from "@wa/schema";

/**
 * Starts without a leader: nobody hands out grants then, and a pod that waited for one would keep its devices off for as long as
 * the operator is away. Each linked device may start once after a random wait, and again only after ten minutes; what is charged
 * to the start budget is reported at the next hello. Registrations wait: there is nobody to show the code to.
 */
const jitterMs = 15_000;
const againAfterMs = 600_000;

/** Instants are milliseconds since 1970: they outlive the process. By device UID. */
export interface SelfGrants {
  /** When the device was last started so. */
  readonly startedMs: Readonly<Record<string, number>>;
  /** When it is due to. */
  readonly dueMs: Readonly<Record<string, number>>;
}

export const noSelfGrants: SelfGrants = { startedMs: {}, dueMs: {} };

export interface Waiting {
  readonly device: DeviceRef;
  readonly bucket: Bucket;
}

export interface Leaderless {
  readonly queue: readonly Waiting[];
  /** No leader has answered for so long that it is taken to be away. */
  readonly isLeaderless: boolean;
  readonly nowMs: number;
  /** Yields numbers in [0, 1). */
  readonly random: () => number;
}

/** @returns what to remember, and who starts now */
export function planSelfGrants(
  before: SelfGrants,
  { queue, isLeaderless, nowMs, random }: Leaderless,
): { readonly next: SelfGrants; readonly starts: readonly Waiting[] } {
  const startedMs = Object.fromEntries(
    Object.entries(before.startedMs).filter(([, atMs]) => nowMs - atMs < againAfterMs),
  );
  // A leader that answers again decides about everybody who has not started yet.
  if (!isLeaderless) return { next: { startedMs, dueMs: {} }, starts: [] };
  const allowed = queue.filter(({ device, bucket }) => bucket === "login" && startedMs[device.uid] === undefined);
  const dueMs = Object.fromEntries(
    allowed.map(({ device }) => [device.uid, before.dueMs[device.uid] ?? nowMs + random() * jitterMs]),
  );
  const starts = allowed.filter(({ device }) => (dueMs[device.uid] ?? Infinity) <= nowMs);
  for (const { device } of starts) {
    delete dueMs[device.uid];
    startedMs[device.uid] = nowMs;
  }
  return { next: { startedMs, dueMs }, starts };
}
