import { annotations, causeFacts, clipped, type WhatsAppDevice } from "@wa/schema";
import { announcedVersionOf } from "./session-spec.ts";
import { conditionOf } from "./set-conditions.ts";
import type { Settings } from "./world.ts";

/**
 * A device at rest has no session: it waits for a person (or a newer client). Its status alone remembers that, so that a
 * restarted pod or operator opens no new pairing window. The memory is the Paired condition's reason, because it outlives a suspension,
 * and for `Blocked`, which a suspension ends, the phase.
 */
export type Rest = "Hibernated" | "LoggedOut" | "Blocked";

export function restOf({ status }: WhatsAppDevice): Rest | undefined {
  const paired = conditionOf(status, "Paired");
  if (paired?.status === "False" && (paired.reason === "Hibernated" || paired.reason === "LoggedOut"))
    return paired.reason;
  return status.phase === "Blocked" ? "Blocked" : undefined;
}

/** The wish of the annotation, cut as status keeps it. */
export const pairRequestOf = (device: WhatsAppDevice): string =>
  pairRequest(device.metadata.annotations[annotations.pairRequestedAt]);

/** A pairing request as it is compared: a status or pod of an earlier version may hold it uncut. */
export const pairRequest = (text: string | undefined): string => clipped(text ?? "", 64);

/** Something happened that ends the rest: a new pairing request, a resume after a suspension, or another client version. */
export function mayLeaveRest(device: WhatsAppDevice, rest: Rest, settings: Pick<Settings, "clientVersion">): boolean {
  switch (rest) {
    case "Hibernated":
    case "LoggedOut":
      return pairRequestOf(device) !== "" && pairRequestOf(device) !== pairRequest(device.status.pairRequestedAt);
    case "Blocked":
      return hasAnotherVersion(device, settings);
    default:
      return rest satisfies never;
  }
}

/** One try with each version made known; without one to compare, only suspend and resume helps. */
function hasAnotherVersion(device: WhatsAppDevice, settings: Pick<Settings, "clientVersion">): boolean {
  const refused = device.status.lastDisconnect;
  if (refused === undefined || causeFacts[refused.cause].recovery !== "NewerClient") return false;
  const announced = announcedVersionOf(device, settings);
  return announced !== "Auto" && refused.clientVersion !== undefined && announced !== refused.clientVersion;
}

/** Credentials are stored for it, as far as status knows. */
export const isPaired = (device: WhatsAppDevice): boolean => conditionOf(device.status, "Paired")?.status === "True";
