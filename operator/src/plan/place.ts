import { nextEpoch, type DeviceStatus, type EgressEndpoint, type EgressPool, type WhatsAppDevice } from "@wa/schema";
import { chooseEndpoint, choosePod } from "./assign.ts";
import { hasRoomFor } from "./capacity.ts";
import type { Situation } from "./phases.ts";
import { restOf } from "./rest.ts";
import { timestamp } from "./set-conditions.ts";
import { departureOf, standingOf, type Departure } from "./standing.ts";
import { reportOf, takeoverOf } from "./takeover.ts";
import { ownerOf, endpointOf, keyOf, type Now, type World } from "./world.ts";
import type { Wish } from "./wish.ts";

type Assigned = NonNullable<DeviceStatus["assignment"]>;

export interface Placement {
  readonly assignment: Assigned | undefined;
  /** Why it is not placed; absent: it is. */
  readonly trouble?: Situation;
  readonly recheckAfterMs?: number;
  /** Pools that hold the places of an address which this device waits for. */
  readonly heldBackBy?: { readonly address: string; readonly pools: readonly EgressPool[] };
}

/**
 * Endpoint, pod, owner and epoch of a device, in this order and each only once the one before is settled. Whatever changes the
 * owner waits until the former one has certainly let go, so the stored owner never lies.
 */
export function placeDevice(device: WhatsAppDevice, wish: Wish, world: World, now: Now): Placement {
  const found = device.status.assignment ?? nowhere(now);
  if (wish === "Nothing") return release(device, found, world, now);
  const departure = departureOf(device, world);
  if (departure !== undefined) return leave(device, found, departure, { world, now });
  if (found.pod === "" && !mayReturn(device, world)) return seat(device, withoutEndpoint(found), world, now);
  const endpoint = endpointOf(device, world);
  if (found.endpoint === "") return seat(device, found, world, now);
  if (endpoint === undefined) return missing(found);
  if (standingOf(endpoint, world) === "NodeDeleted") return stranded(found, endpoint);
  return own(device, withPod(device, found, endpoint, world), endpoint, { world, now });
}

const nowhere = (now: Now): Assigned => ({
  endpoint: "",
  pod: "",
  podUID: "",
  node: "",
  epoch: 0,
  since: timestamp(now.date),
});

const withoutPod = (found: Assigned): Assigned => ({ ...found, pod: "", podUID: "", node: "" });
const withoutEndpoint = (found: Assigned): Assigned => ({ ...withoutPod(found), endpoint: "" });
/** The epoch outlives every place; nothing else is worth keeping. */
const worthKeeping = (found: Assigned): Assigned | undefined =>
  found.endpoint === "" && found.epoch === 0 ? undefined : found;

function release(device: WhatsAppDevice, found: Assigned, world: World, now: Now): Placement {
  if (found.pod === "" && found.podUID === "") return { assignment: worthKeeping(found) };
  const takeover = takeoverOf(device, world, now);
  return takeover.isAllowed
    ? { assignment: worthKeeping(withoutPod(found)) }
    : { assignment: found, recheckAfterMs: takeover.waitMs };
}

interface Scene {
  readonly world: World;
  readonly now: Now;
}

const reasons: Readonly<Record<Departure, string>> = {
  EndpointDeleted: "it no longer exists",
  PoolChanged: "spec.egress.pool names another pool",
  SelectorChanged: "spec.egress.selector no longer matches it",
  NodeDeleted: "its node was deleted",
  MemberDisabled: "its pool member is Disabled",
  IsolationChanged: "spec.isolation asks for another pod",
};

function leave(device: WhatsAppDevice, found: Assigned, departure: Departure, { world, now }: Scene): Placement {
  const takeover = takeoverOf(device, world, now);
  if (takeover.isAllowed) {
    const freed = departure === "IsolationChanged" ? withoutPod(found) : withoutEndpoint(found);
    return placeDevice(assigned(device, freed), "Running", world, now);
  }
  const message = `leaves ${found.endpoint}, because ${reasons[departure]}; waits until its session has ended there`;
  return {
    assignment: found,
    trouble: { name: "Leaving", reason: departure, message },
    recheckAfterMs: takeover.waitMs,
  };
}

/** A device that comes back from rest takes its old place again, if that still takes devices and has room. */
function mayReturn(device: WhatsAppDevice, world: World): boolean {
  const endpoint = endpointOf(device, world);
  if (endpoint === undefined || device.spec.egress.failover === "Never") return true;
  return standingOf(endpoint, world) === "Active" && hasRoomFor(device, endpoint, world);
}

function seat(device: WhatsAppDevice, found: Assigned, world: World, now: Now): Placement {
  const takeover = takeoverOf(device, world, now);
  if (!takeover.isAllowed) {
    const message = "a deleted device of this name is still being released; this one starts after it";
    return {
      assignment: worthKeeping(found),
      trouble: { name: "Leaving", reason: "FormerDevice", message },
      recheckAfterMs: takeover.waitMs,
    };
  }
  const choice = chooseEndpoint(assigned(device, found), world);
  if (choice.kind === "None") {
    const { reason, message, sharers = [], address = "" } = choice;
    const trouble: Situation = { name: "Unscheduled", reason, message };
    return { assignment: worthKeeping(found), trouble, heldBackBy: { address, pools: sharers } };
  }
  const { endpoint } = choice;
  const placed = { ...found, endpoint: endpoint.metadata.name, since: timestamp(now.date) };
  return own(device, withPod(device, placed, endpoint, world), endpoint, { world, now });
}

const missing = (found: Assigned): Placement => ({
  assignment: found,
  trouble: {
    name: "Unscheduled",
    reason: "EndpointMissing",
    message: `EgressEndpoint "${found.endpoint}" is being made again`,
  },
});

const stranded = (found: Assigned, endpoint: EgressEndpoint): Placement => ({
  assignment: found,
  trouble: {
    name: "Unscheduled",
    reason: "NodeDeleted",
    message: `node "${endpoint.spec.node?.name ?? ""}" of endpoint "${found.endpoint}" was deleted, and spec.egress.failover is Never`,
  },
});

function withPod(device: WhatsAppDevice, found: Assigned, endpoint: EgressEndpoint, world: World): Assigned {
  return found.pod === "" ? { ...found, pod: choosePod(device, endpoint, world) } : found;
}

/** Gives the next epoch to the pod that shall own the device, once the former owner has let go. */
function own(device: WhatsAppDevice, found: Assigned, endpoint: EgressEndpoint, { world, now }: Scene): Placement {
  const candidate = livePodUid(found, endpoint, world);
  const placed = { ...found, node: nodeOf(found, endpoint, world) };
  if (candidate === found.podUID && !needsNewRun(device, world)) return { assignment: placed };
  if (candidate === "" && found.podUID === "") return { assignment: placed };
  const takeover = takeoverOf(device, world, now);
  if (!takeover.isAllowed) return { assignment: placed, recheckAfterMs: takeover.waitMs };
  if (candidate === "") return { assignment: { ...placed, podUID: "" } };
  return {
    assignment: { ...placed, podUID: candidate, epoch: nextEpoch(found.epoch, reportOf(device, world)?.storedEpoch) },
  };
}

/** UID of the recorded pod of that name while it can run sessions. */
function livePodUid({ pod: name }: Assigned, endpoint: EgressEndpoint, world: World): string {
  const uid = endpoint.status.pods.find((record) => record.name === name)?.uid;
  const pod = world.pods.get(keyOf({ namespace: endpoint.metadata.namespace, name }));
  if (uid === undefined || pod?.uid !== uid || pod.isTerminating) return "";
  return pod.phase === "Failed" || pod.phase === "Succeeded" ? "" : uid;
}

function nodeOf({ pod: name, node }: Assigned, endpoint: EgressEndpoint, world: World): string {
  const chosen = world.pods.get(keyOf({ namespace: endpoint.metadata.namespace, name }))?.nodeName ?? "";
  return chosen === "" ? (endpoint.spec.node?.name ?? node) : chosen;
}

/** The session of this epoch has ended for good, and another one is wished. */
function needsNewRun(device: WhatsAppDevice, world: World): boolean {
  if (restOf(device) !== undefined) return true;
  const report = reportOf(device, world);
  if (report === undefined || world.links.get(ownerOf(device))?.isConnected !== true) return false;
  return newRunAfter.has(report.state);
}
/** Blocked is missing: during a deletion another attempt would be one of many. */
const newRunAfter: ReadonlySet<string> = new Set(["Released", "ClaimRefused", "Hibernated", "LoggedOut", "LogoutDone"]);

const assigned = (device: WhatsAppDevice, assignment: Assigned): WhatsAppDevice => ({
  ...device,
  status: { ...device.status, assignment },
});
