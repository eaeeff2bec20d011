import { randomBytes } from "node:crypto";
import { longestPeriodMs, mostStarts, type Bucket, type DeviceRef, type PodFrame } from "@wa/schema";

/** A start that this pod made without a leader and that stands in no ledger yet, as far as it knows. */
export interface Charge {
  readonly device: DeviceRef;
  readonly bucket: Bucket;
  /** Milliseconds since 1970: all that outlives the process. */
  readonly atMs: number;
  /** By the monotonic clock, if this process made it: no step of the other clock makes it older. */
  readonly uptimeMs?: number;
  /** The leader acknowledges it by this. */
  readonly id: string;
}

export interface ChargeClock {
  readonly dateMs: number;
  readonly uptimeMs: number;
}

type SelfGranted = Extract<PodFrame, { kind: "hello" }>["selfGranted"][number];

export const newChargeId = (): string => randomBytes(9).toString("base64url");

/** How long ago; a start that seems to lie in the future was made just now. */
const ageMs = ({ atMs, uptimeMs }: Charge, now: ChargeClock): number =>
  Math.max(0, Math.round(uptimeMs === undefined ? now.dateMs - atMs : now.uptimeMs - uptimeMs));

/** Those that a ledger may still count: of the longest period, and no more than the highest limit allows. The newest stay. */
export function worthTelling(charges: readonly Charge[], now: ChargeClock): readonly Charge[] {
  return charges.filter((charge) => ageMs(charge, now) <= longestPeriodMs).slice(-mostStarts);
}

export const asTold = (charge: Charge, now: ChargeClock): SelfGranted => ({
  device: charge.device,
  bucket: charge.bucket,
  agoMs: ageMs(charge, now),
  id: charge.id,
});
