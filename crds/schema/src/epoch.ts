/** The highest fencing number anywhere: a store's column is a 32-bit `integer`, and one more must fit it. */
export const maxEpoch = 2 ** 31 - 2;
/** Further than this above its own, no epoch is an honest one: a device would need a million claims that nobody recorded. */
export const maxEpochLead = 2 ** 20;

/** An epoch that an earlier release or a false word put beyond the bound, as the nearest within it. */
export const boundedEpoch = (epoch: number): number => Math.min(Math.max(Math.trunc(epoch), 0), maxEpoch);

/** The epoch above `own` and, if it can be believed, above the one that the store is said to hold; after the last comes 1. */
export function nextEpoch(own: number, stored = 0): number {
  const highest = stored - own > maxEpochLead ? own : Math.max(own, stored);
  return highest >= maxEpoch ? 1 : highest + 1;
}
