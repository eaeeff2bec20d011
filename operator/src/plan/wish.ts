import { annotations, finalizers, type Assignment, type WhatsAppDevice } from "@wa/schema";
import { mayLeaveRest, restOf } from "./rest.ts";
import type { Facts, Now } from "./world.ts";

/** What shall happen with a device's session. `Nothing` releases it. */
export type Wish = Assignment["desired"] | "Nothing";

/** How long a deletion waits for the logout at WhatsApp. */
const logoutDeadlineMs = 10 * 60_000;

/** The wish that the written status and spec express; the same for the device's own plan and for its pod's. */
export function wishOf(device: WhatsAppDevice, world: Facts, now: Now): Wish {
  if (device.metadata.deletionTimestamp !== undefined)
    return removalOf(device, world, now) === "Logout" ? "LoggedOut" : "Nothing";
  if (device.spec.suspend) return "Nothing";
  const rest = restOf(device);
  // A device whose resume is not written yet still shows Suspended: its old status says nothing about a rest.
  if (rest === undefined) return "Running";
  return mayLeaveRest(device, rest, world.settings) ? "Running" : "Nothing";
}

/** Why a deletion is let through without (or instead of) a logout; `Logout`: it is still to be done. */
export type Removal =
  | "Logout"
  | "NotOurs"
  | "Retained"
  | "NamespaceTerminating"
  | "CrdTerminating"
  | "Forced"
  | "TimedOut";

export function removalOf(device: WhatsAppDevice, world: Facts, now: Now): Removal {
  const { metadata, spec } = device;
  if (!metadata.finalizers.includes(finalizers.logout)) return "NotOurs";
  if (world.terminating.namespaces.has(metadata.namespace)) return "NamespaceTerminating";
  if (world.terminating.crds.has("whatsappdevices")) return "CrdTerminating";
  if (spec.deletionPolicy === "Retain") return "Retained";
  if (metadata.annotations[annotations.forceDelete] === "true") return "Forced";
  return remainingLogoutMs(device, now) <= 0 ? "TimedOut" : "Logout";
}

export function remainingLogoutMs(device: WhatsAppDevice, now: Now): number {
  const since = Date.parse(device.metadata.deletionTimestamp ?? "");
  return Number.isNaN(since) ? logoutDeadlineMs : since + logoutDeadlineMs - now.date.getTime();
}
