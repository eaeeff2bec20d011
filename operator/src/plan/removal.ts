import { finalizers, type DeviceStatus, type WhatsAppDevice } from "@wa/schema";
import { sooner, targetOf, type Action, type Note, type Plan } from "./action.ts";
import { nextStatus } from "./device-status.ts";
import { placeDevice } from "./place.ts";
import type { Situation } from "./phases.ts";
import { refusalOf, sayRefusal } from "./refusals.ts";
import { reportOf } from "./takeover.ts";
import { remainingLogoutMs, removalOf, type Removal } from "./wish.ts";
import type { Now, World } from "./world.ts";

/** A device on its way out: unlinked at WhatsApp first if it promised so, and only if it alone is deleted. */
export function planRemoval(device: WhatsAppDevice, world: World, now: Now): Plan<DeviceStatus> {
  const removal = removalOf(device, world, now);
  if (removal === "NotOurs") return planGoing(device, world, now);
  return removal === "Logout" ? planLogout(device, world, now) : letGo(device, notes[removal], world, now);
}

/** Some other finalizer holds it: the session ends, the credentials stay. */
function planGoing(device: WhatsAppDevice, world: World, now: Now): Plan<DeviceStatus> {
  const placement = placeDevice(device, "Nothing", world, now);
  const situation: Situation = {
    name: "Terminating",
    reason: "Deleted",
    message: "deleted; its credentials stay in the store",
  };
  const status = nextStatus(device, { placement, situation, report: undefined, now });
  return withRecheck({ actions: [], status }, placement.recheckAfterMs);
}

function planLogout(device: WhatsAppDevice, world: World, now: Now): Plan<DeviceStatus> {
  if (reportOf(device, world)?.state === "LogoutDone") return letGo(device, done, world, now);
  const placement = placeDevice(device, "LoggedOut", world, now);
  if (placement.trouble !== undefined && (placement.assignment?.epoch ?? 0) === 0)
    return letGo(device, neverStarted, world, now);
  const blocked = placement.trouble === undefined ? "" : `; ${placement.trouble.message}`;
  const message = `unlinks the device at WhatsApp before it goes, for at most 10 minutes${blocked}`;
  const situation: Situation = { name: "LoggingOut", reason: "LoggingOut", message };
  const status = nextStatus(device, { placement, situation, report: reportOf(device, world), now });
  return withRecheck({ actions: [], status }, sooner(placement.recheckAfterMs, remainingLogoutMs(device, now)));
}

const withRecheck = (plan: Plan<DeviceStatus>, recheckAfterMs: number | undefined): Plan<DeviceStatus> =>
  recheckAfterMs === undefined ? plan : { ...plan, recheckAfterMs };

const done: Note = {
  type: "Normal",
  reason: "LogoutDone",
  message: "unlinked at WhatsApp; its credentials are erased",
};
const neverStarted: Note = {
  type: "Normal",
  reason: "LogoutSkipped",
  message: "it never started; there was nothing to unlink",
};

const stays = "its credentials stay in the store, and the phone may still list it as linked";
const notes: Readonly<Record<Exclude<Removal, "Logout" | "NotOurs">, Note>> = {
  Retained: { type: "Normal", reason: "LogoutSkipped", message: `spec.deletionPolicy is Retain: ${stays}` },
  NamespaceTerminating: {
    type: "Warning",
    reason: "LogoutSkipped",
    message: `its namespace is being deleted: ${stays}`,
  },
  CrdTerminating: { type: "Warning", reason: "LogoutSkipped", message: `its CRD is being deleted: ${stays}` },
  Forced: {
    type: "Warning",
    reason: "LogoutSkipped",
    message: `whatsapp-operator.io/force-delete is "true": ${stays}`,
  },
  TimedOut: { type: "Warning", reason: "LogoutTimedOut", message: `no logout within 10 minutes: ${stays}` },
};

function letGo(device: WhatsAppDevice, note: Note, world: World, now: Now): Plan<DeviceStatus> {
  const target = targetOf("WhatsAppDevice", device.metadata);
  const others = device.metadata.finalizers.filter((finalizer) => finalizer !== finalizers.logout);
  const actions: Action[] = [
    { kind: "Note", target, note },
    { kind: "SetFinalizers", target, finalizers: others },
  ];
  return { actions, status: heldStatus(device, world, now) };
}

/** The API server does not let the finalizer go, so the object stays and says why; undefined: it is about to go. */
function heldStatus(device: WhatsAppDevice, world: World, now: Now): DeviceStatus | undefined {
  const refusal = refusalOf("WhatsAppDevice", device.metadata, world);
  if (refusal === undefined) return undefined;
  const message = sayRefusal({ kind: "WhatsAppDevice", ...device.metadata }, refusal);
  const situation: Situation = { name: "Terminating", reason: "WriteRefused", message };
  const placement = { assignment: device.status.assignment };
  return nextStatus(device, { placement, situation, report: undefined, now });
}
