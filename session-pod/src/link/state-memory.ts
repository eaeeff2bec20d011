import { AssignFrame, Bucket, DeviceRef, Welcome, type SessionReport } from "@wa/schema";
import { z } from "zod";

/** The first release wrote no `id`. */
const StoredCharge = z.object({
  device: DeviceRef,
  bucket: Bucket,
  atMs: z.number(),
  id: z.string().max(32).optional(),
});

/**
 * What a restarted container needs to bring its sessions back while no operator answers. Holds the database's password and the
 * devices' data keys: it is kept in memory-backed storage alone.
 */
const StateMemory = z.object({
  version: z.literal(1),
  welcome: Welcome,
  assign: AssignFrame,
  /** When each device was last started without a leader, by UID. */
  selfStartedMs: z.record(z.string(), z.number()),
  /** Starts that were made without a leader and stand in no ledger yet. */
  charges: z.array(StoredCharge),
});
export type StateMemory = z.infer<typeof StateMemory>;

export function encodeMemory(memory: StateMemory): string {
  return JSON.stringify(memory);
}

/** Undefined for what this version did not write: no memory is better than half of one. */
export function decodeMemory(text: string): StateMemory | undefined {
  try {
    return StateMemory.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

const rest: readonly SessionReport["state"][] = ["Hibernated", "LoggedOut", "Blocked", "LogoutDone"];

/** Whether a session ended in a way that only a person or the operator may take back. */
export const isAtRest = ({ state }: Pick<SessionReport, "state">): boolean => rest.includes(state);

/** A restart must not wake what is at rest: a device that was banned or replaced would try again by itself. */
export function withoutResting(assign: AssignFrame, resting: ReadonlySet<string>): AssignFrame {
  return { ...assign, assignments: assign.assignments.filter(({ device }) => !resting.has(device.uid)) };
}
