import { finalizers, type DeviceStatus, type SessionReport, type WhatsAppDevice } from "@wa/schema";
import { sooner, targetOf, type Action, type Plan } from "./action.ts";
import { notesOn } from "./device-notes.ts";
import { keptStatus, nextStatus } from "./device-status.ts";
import { placeDevice, type Placement } from "./place.ts";
import type { Situation } from "./phases.ts";
import { planRemoval } from "./removal.ts";
import { refusalOf, sayRefusal } from "./refusals.ts";
import { mayLeaveRest, pairRequest, pairRequestOf, restOf, type Rest } from "./rest.ts";
import { ofRest } from "./report-situation.ts";
import { setConditions, type Wanted } from "./set-conditions.ts";
import { readSession } from "./situation.ts";
import { reportOf } from "./takeover.ts";
import { conditionOf } from "./set-conditions.ts";
import { ownerOf, type Now, type World } from "./world.ts";

/** The next status of a device and what to do first. Pods are its endpoint's matter. */
export function planDevice(device: WhatsAppDevice, world: World, now: Now): Plan<DeviceStatus> {
  if (device.metadata.deletionTimestamp !== undefined) return planRemoval(device, world, now);
  const finalizing = finalizerAction(device, world);
  if (finalizing !== undefined) return planPromise(device, finalizing, world, now);
  return planSettled(device, world, now);
}

/** The promise to log out stands before the first start; its own change wakes the device again, unless the API server refuses it. */
function planPromise(device: WhatsAppDevice, finalizing: Action, world: World, now: Now): Plan<DeviceStatus> {
  const refusal = refusalOf("WhatsAppDevice", device.metadata, world);
  if (refusal === undefined) return { actions: [finalizing], status: undefined };
  const message = sayRefusal({ kind: "WhatsAppDevice", ...device.metadata }, refusal);
  const hasStarted = (device.status.assignment?.epoch ?? 0) > 0;
  const plan = hasStarted ? planSettled(device, world, now) : planUnpromised(device, message, now);
  const stalled: Wanted = { type: "Stalled", status: "True", reason: "WriteRefused", message };
  return {
    ...plan,
    actions: [finalizing, ...plan.actions],
    status: plan.status && withCondition(device, plan.status, stalled, now),
  };
}

function planUnpromised(device: WhatsAppDevice, message: string, now: Now): Plan<DeviceStatus> {
  const placement = { assignment: device.status.assignment };
  const situation = { name: "Unscheduled", reason: "WriteRefused", message } as const;
  return finished(device, placement, nextStatus(device, { placement, situation, report: undefined, now }), situation);
}

function withCondition(
  { metadata, status: found }: WhatsAppDevice,
  status: DeviceStatus,
  wanted: Wanted,
  now: Now,
): DeviceStatus {
  const all = status.conditions.map((condition): Wanted<string> =>
    condition.type === wanted.type ? wanted : condition,
  );
  return { ...status, conditions: setConditions(found.conditions, all, metadata.generation, now.date) };
}

function planSettled(device: WhatsAppDevice, world: World, now: Now): Plan<DeviceStatus> {
  if (device.spec.suspend) return planRest(device, suspended(device), { world, now });
  const rest = restOf(device);
  if (rest !== undefined && !mayLeaveRest(device, rest, world.settings))
    return planRest(device, ofRest(device, rest), { world, now });
  const entered = rest === undefined ? restEntered(device, world) : undefined;
  if (entered !== undefined)
    return planRest(device, ofReportedRest(device, entered, world, now), { world, now, report: entered });
  return planRun(device, world, now);
}

interface Scene {
  readonly world: World;
  readonly now: Now;
  readonly report?: SessionReport;
}

/** No session is wished: it is released, and status says for whom it waits. */
function planRest(device: WhatsAppDevice, situation: Situation, { world, now, report }: Scene): Plan<DeviceStatus> {
  const placement = placeDevice(device, "Nothing", world, now);
  return finished(device, placement, nextStatus(device, { placement, situation, report, now }), situation);
}

function planRun(device: WhatsAppDevice, world: World, now: Now): Plan<DeviceStatus> {
  const placement = placeDevice(device, "Running", world, now);
  const placed = withAssignment(device, placement);
  if (placement.trouble !== undefined)
    return finished(
      device,
      placement,
      nextStatus(device, { placement, situation: placement.trouble, report: undefined, now }),
      placement.trouble,
    );
  const isNewRun = placement.assignment?.epoch !== device.status.assignment?.epoch;
  const reading = readSession(placed, isNewRun, world, now);
  if (reading.kind === "Keep")
    return {
      ...finished(device, placement, keptStatus(device, placement)),
      recheckAfterMs: sooner(placement.recheckAfterMs, reading.waitMs) ?? reading.waitMs,
    };
  const { situation, report } = reading;
  return finished(device, placement, nextStatus(device, { placement, situation, report, now }), situation);
}

function finished(
  device: WhatsAppDevice,
  placement: Placement,
  status: DeviceStatus,
  situation?: Situation,
): Plan<DeviceStatus> {
  const target = targetOf("WhatsAppDevice", device.metadata);
  const actions: Action[] = [
    ...notesOn(device, status, situation).map((note) => ({ kind: "Note", target, note }) as const),
    ...sharerNotes(device, placement),
  ];
  return placement.recheckAfterMs === undefined
    ? { actions, status }
    : { actions, status, recheckAfterMs: placement.recheckAfterMs };
}

/** Whoever holds places that others wait for hears of it too, once when a wait begins; neither learns the other's name. */
function sharerNotes(device: WhatsAppDevice, { heldBackBy }: Placement): Action[] {
  if (heldBackBy === undefined || conditionOf(device.status, "Scheduled")?.reason === "CapacityFull") return [];
  const message = `leaves by address ${heldBackBy.address} as a pool does whose devices wait for places there; each has its share of them`;
  return heldBackBy.pools.map(({ metadata }) => ({
    kind: "Note",
    target: targetOf("EgressPool", metadata),
    note: { type: "Normal", reason: "AddressShared", message },
  }));
}

function withAssignment(device: WhatsAppDevice, { assignment }: Placement): WhatsAppDevice {
  return { ...device, status: { ...device.status, assignment } };
}

/** Only devices that promise a logout carry the finalizer, and only where it can be kept. */
function finalizerAction(device: WhatsAppDevice, world: World): Action | undefined {
  const { metadata, spec } = device;
  const isWanted =
    spec.deletionPolicy === "Logout" &&
    !world.terminating.namespaces.has(metadata.namespace) &&
    !world.terminating.crds.has("whatsappdevices");
  if (isWanted === metadata.finalizers.includes(finalizers.logout)) return undefined;
  const others = metadata.finalizers.filter((finalizer) => finalizer !== finalizers.logout);
  return {
    kind: "SetFinalizers",
    target: targetOf("WhatsAppDevice", metadata),
    finalizers: isWanted ? [...others, finalizers.logout] : others,
  };
}

function suspended(device: WhatsAppDevice): Situation {
  const isHeld = ownerOf(device) !== "";
  const message = isHeld
    ? "spec.suspend is true; the session is being released, its credentials stay"
    : "spec.suspend is true; the credentials stay";
  return { name: "Suspended", reason: "Suspended", message };
}

/** The owner reports that it waits for a person, and nobody has asked again since. */
function restEntered(device: WhatsAppDevice, world: World): SessionReport | undefined {
  const report = reportOf(device, world);
  if (report === undefined || !isRest(report.state)) return undefined;
  if (report.state === "Blocked") return report;
  const isAskedAgain = honoured(device) !== pairRequest(report.pairRequestedAt);
  return isAskedAgain ? undefined : report;
}

const isRest = (state: SessionReport["state"]): state is Rest =>
  state === "Hibernated" || state === "LoggedOut" || state === "Blocked";

/** The pairing request that stands: while a device runs, a new value counts as soon as it is seen. */
const honoured = (device: WhatsAppDevice): string =>
  pairRequestOf(device) || pairRequest(device.status.pairRequestedAt);

function ofReportedRest(device: WhatsAppDevice, report: SessionReport, world: World, now: Now): Situation {
  const reading = readSession(device, false, world, now);
  if (reading.kind === "Now" && reading.report !== undefined) return reading.situation;
  return isRest(report.state) ? ofRest(device, report.state) : suspended(device);
}
