import { grantTiming, type Grant } from "@wa/schema";

/**
 * A grant as it counts here. Its times run from when it was sent, which no frame says; it was surely not sent before the last ping
 * that was answered ahead of it. So much of its way as the ledgers do not allow for is taken from the time in which it may be
 * used, and one that was longer on its way than that is void: the session asks again.
 *
 * @param ageMs since that ping was sent
 */
export function onArrival(grant: Grant, ageMs: number): Grant {
  return { ...grant, validForMs: grant.validForMs - Math.max(0, ageMs - grantTiming.mostOnTheWayMs) };
}
