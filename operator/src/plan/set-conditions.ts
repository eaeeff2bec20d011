import { clipped, type Condition, type DeviceReason } from "@wa/schema";

export interface Wanted<R extends string = DeviceReason> {
  readonly type: string;
  readonly status: Condition["status"];
  readonly reason: R;
  readonly message?: string;
}

/** The wanted conditions in their order; `lastTransitionTime` moves only when a status flips. */
export function setConditions(
  found: readonly Condition[],
  wanted: readonly Wanted<string>[],
  generation: number,
  date: Date,
): Condition[] {
  return wanted.map(({ type, status, reason, message = "" }) => {
    const before = found.find((condition) => condition.type === type);
    return {
      type,
      status,
      reason,
      message: clipped(message, 1024),
      lastTransitionTime: before?.status === status ? before.lastTransitionTime : timestamp(date),
      observedGeneration: generation,
    };
  });
}

export const conditionOf = (
  status: { readonly conditions: readonly Condition[] },
  type: string,
): Condition | undefined => status.conditions.find((condition) => condition.type === type);

/** RFC 3339 in whole seconds, as Kubernetes prints instants. */
export const timestamp = (date: Date): string => `${date.toISOString().slice(0, 19)}Z`;
