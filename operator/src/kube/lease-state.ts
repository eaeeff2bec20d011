import { z } from "zod";
import { defineKind } from "./kind.ts";

/** `coordination.k8s.io/v1` Lease, as far as we read it. Times stay text: only its changes matter, never its clock. */
export const leases = defineKind({
  group: "coordination.k8s.io",
  version: "v1",
  kind: "Lease",
  plural: "leases",
  isNamespaced: true,
  schema: z.object({
    metadata: z.object({
      name: z.string(),
      namespace: z.string(),
      uid: z.string(),
      resourceVersion: z.string(),
      labels: z.record(z.string(), z.string()).default({}),
      annotations: z.record(z.string(), z.string()).default({}),
    }),
    spec: z
      .object({
        holderIdentity: z.string().default(""),
        leaseDurationSeconds: z.int().default(0),
        acquireTime: z.string().optional(),
        renewTime: z.string().optional(),
        leaseTransitions: z.int().default(0),
      })
      .prefault({}),
  }),
});
export type Lease = ReturnType<typeof leases.parse>;

export interface LeaseTiming {
  /** How long others leave a holder alone after its last renewal. */
  readonly durationMs: number;
  /** A holder that could not renew for this long gives up: shorter than the duration, so that nobody leads twice. */
  readonly renewDeadlineMs: number;
  readonly retryMs: number;
}

export const leaderTiming: LeaseTiming = { durationMs: 15_000, renewDeadlineMs: 10_000, retryMs: 2_000 };

/** The Lease as this process has seen it; ages by its own monotonic clock, because clocks of machines differ. */
export interface SeenLease {
  readonly lease: Lease | undefined;
  /** Since this version of it was seen first. */
  readonly unchangedForMs: number;
}

export type LeaseStep =
  | { readonly kind: "Create" }
  /** We hold it. */
  | { readonly kind: "Renew"; readonly lease: Lease }
  /** Nobody holds it, or its holder went silent. */
  | { readonly kind: "TakeOver"; readonly lease: Lease }
  | { readonly kind: "Wait"; readonly holder: string };

/** client-go's rules. The holder's own duration counts when it is longer than ours: it may have been configured otherwise. */
export function leaseStep({ lease, unchangedForMs }: SeenLease, identity: string, durationMs: number): LeaseStep {
  if (lease === undefined) return { kind: "Create" };
  const { holderIdentity, leaseDurationSeconds } = lease.spec;
  if (holderIdentity === identity) return { kind: "Renew", lease };
  const holdsForMs = Math.max(leaseDurationSeconds * 1_000, durationMs);
  if (holderIdentity !== "" && unchangedForMs < holdsForMs) return { kind: "Wait", holder: holderIdentity };
  return { kind: "TakeOver", lease };
}

/** `leaseTransitions` is an int32 at the API server. */
const mostTransitions = 2 ** 31 - 1;

/**
 * The term of whoever takes the Lease now: one more than was read, and no less than the seconds since 1970. Session pods drop what
 * a lower term says, and the Lease may be deleted, or put back with an old copy of etcd, at any time; terms rise by less than
 * one a second, since a candidate looks every two, so the time is above all that came before. It assumes that the API server's
 * clock was never years ahead.
 *
 * @param read transitions of the Lease; 0: there is none
 * @param nowMs the API server's clock
 */
export function nextTerm(read: number, nowMs: number): number {
  return Math.min(Math.max(read + 1, Math.floor(nowMs / 1_000)), mostTransitions);
}
