import { createHash } from "node:crypto";
import type { DeviceReason, EgressEndpoint, EgressPool, WhatsAppDevice } from "@wa/schema";
import { capacityOf, heldBackOn, holdsPlace, roomsOf, tenantsOf, type Rooms } from "./capacity.ts";
import { dedicatedPodName, sharedPodName } from "./names.ts";
import { refusedEndpoint } from "./refused-endpoint.ts";
import { restOf } from "./rest.ts";
import { poolOf, standingOf } from "./standing.ts";
import { keyOf, poolKeyOf, type World } from "./world.ts";
import { matches, unmatchedSelectors, wantedEndpoints } from "./wanted-endpoints.ts";

interface None {
  readonly kind: "None";
  readonly reason: DeviceReason;
  readonly message: string;
  /** The pools that hold the places which are missing, and the address. */
  readonly sharers?: readonly EgressPool[];
  readonly address?: string;
}
export type Choice = { readonly kind: "Endpoint"; readonly endpoint: EgressEndpoint } | None;
type Open = { readonly kind: "Some"; readonly endpoints: readonly EgressEndpoint[] } | None;

/** The endpoint for a device that has none: oldest device first, least loaded endpoint, rendezvous hash between equals. */
export function chooseEndpoint(device: WhatsAppDevice, world: World): Choice {
  const open = openEndpoints(device, world);
  if (open.kind === "None") return open;
  const rooms = roomsOf(open.endpoints, world);
  const best = bestOf(device, open.endpoints, rooms);
  if (best === undefined) return full(device, open.endpoints, world);
  const older = olderWaiting(device, world);
  if (older.length < rooms.total()) return { kind: "Endpoint", endpoint: best };
  const seat = seatAfter(device, older, world);
  return seat === undefined ? full(device, open.endpoints, world) : { kind: "Endpoint", endpoint: seat };
}

/** Places are scarce: seat the older ones in thought, then see what is left. */
function seatAfter(device: WhatsAppDevice, older: readonly WhatsAppDevice[], world: World): EgressEndpoint | undefined {
  const rooms = roomsOf(world.endpointsOfPool.get(poolKeyOf(device)) ?? [], world);
  const seat = (guest: WhatsAppDevice): EgressEndpoint | undefined => {
    const open = openEndpoints(guest, world);
    const best = open.kind === "None" ? undefined : bestOf(guest, open.endpoints, rooms);
    if (best !== undefined) rooms.take(best);
    return best;
  };
  for (const guest of older) seat(guest);
  return seat(device);
}

const none = (reason: DeviceReason, message: string): None => ({ kind: "None", reason, message });

function openEndpoints(device: WhatsAppDevice, world: World): Open {
  const name = device.spec.egress.pool;
  const pool = world.pools.get(poolKeyOf(device));
  if (pool === undefined)
    return none(
      "PoolNotFound",
      `spec.egress.pool: no EgressPool "${name}" in namespace "${device.metadata.namespace}"`,
    );
  if (pool.spec.members.length === 0) return none("PoolEmpty", `EgressPool "${name}": spec.members is empty`);
  const all = world.endpointsOfPool.get(poolKeyOf(device)) ?? [];
  if (all.length === 0) return withoutEndpoints(pool, world);
  const active = all.filter((endpoint) => standingOf(endpoint, world) === "Active");
  if (active.length === 0)
    return none(
      "NoActiveEndpoint",
      `EgressPool "${name}": none of ${all.length} endpoints takes devices (draining or disabled)`,
    );
  const endpoints = active.filter((endpoint) => matches(device, endpoint));
  if (endpoints.length > 0) return { kind: "Some", endpoints };
  const wanted = JSON.stringify(device.spec.egress.selector.matchLabels);
  return none(
    "NoEndpointMatches",
    `spec.egress.selector.matchLabels ${wanted}: carried by none of ${active.length} endpoints of EgressPool "${name}"`,
  );
}

function withoutEndpoints(pool: EgressPool, world: World): None {
  const { name, namespace } = pool.metadata;
  const wanted = wantedEndpoints(pool, world);
  if (wanted.length === 0)
    return none(
      "NoEndpoint",
      `EgressPool "${name}": ${unmatchedSelectors(pool, world) ?? "its members name no way out"}`,
    );
  const refused = refusedEndpoint(namespace, wanted, world);
  if (refused !== undefined) return none("EndpointCreateRefused", `EgressPool "${name}": ${refused}`);
  const taken = wanted.find((one) => world.endpoints.has(keyOf({ namespace, name: one.name })));
  return taken === undefined
    ? none("EndpointMissing", `EgressPool "${name}": its endpoints are being made`)
    : none("EndpointNameTaken", `EgressPool "${name}": EgressEndpoint "${taken.name}" exists for another way out`);
}

function full(device: WhatsAppDevice, endpoints: readonly EgressEndpoint[], world: World): None {
  const pool = device.spec.egress.pool;
  const shared = heldBackOn(endpoints, world);
  if (shared !== undefined) {
    const { address, limit, taken, ownLimit, others } = shared;
    const message = `EgressPool "${pool}": ${taken} of ${limit} places taken on address ${address}; of the ${ownLimit} of capacity.maxSessions the others are left to ${namesOf(others, device)}, which ${others.length === 1 ? "leaves" : "leave"} by it too`;
    return { ...none("CapacityFull", message), sharers: others, address };
  }
  const taken = endpoints.reduce((total, endpoint) => total + tenantsOf(endpoint, world), 0);
  const places = endpoints.reduce((total, endpoint) => total + capacityOf(endpoint, world), 0);
  const matching = endpoints.length === 1 ? "the endpoint that matches" : `${endpoints.length} endpoints that match`;
  return none(
    "CapacityFull",
    `EgressPool "${pool}": ${taken} of ${places} places taken on ${matching}; capacity.maxSessions counts devices per observed address`,
  );
}

/** Another namespace's names are its own matter. */
function namesOf(pools: readonly EgressPool[], { metadata }: WhatsAppDevice): string {
  const own = pools.filter((pool) => pool.metadata.namespace === metadata.namespace);
  const foreign = pools.length - own.length;
  const words = own.map((pool) => `EgressPool "${pool.metadata.name}"`);
  if (foreign === 1) words.push("a pool of another namespace");
  if (foreign > 1) words.push(`${foreign} pools of other namespaces`);
  return words.join(" and ");
}

function bestOf(
  device: WhatsAppDevice,
  endpoints: readonly EgressEndpoint[],
  rooms: Rooms,
): EgressEndpoint | undefined {
  let best: EgressEndpoint | undefined;
  for (const endpoint of endpoints)
    if (rooms.free(endpoint) > 0 && (best === undefined || isBetter(endpoint, best, device, rooms))) best = endpoint;
  return best;
}

function isBetter(one: EgressEndpoint, other: EgressEndpoint, device: WhatsAppDevice, rooms: Rooms): boolean {
  const difference = rooms.load(one) - rooms.load(other);
  return difference === 0 ? weight(device, one) > weight(device, other) : difference < 0;
}

/** Rendezvous hashing: a device prefers the same endpoint whenever the same ones are equally loaded. */
const weight = (device: WhatsAppDevice, endpoint: EgressEndpoint): string =>
  createHash("sha256").update(`${device.metadata.uid}/${endpoint.metadata.name}`).digest("hex");

/** Devices of the pool that wait for a place and came before this one, oldest first. */
function olderWaiting(device: WhatsAppDevice, world: World): WhatsAppDevice[] {
  return (world.devicesOfPool.get(poolKeyOf(device)) ?? [])
    .filter((other) => isWaiting(other) && comesBefore(other, device))
    .toSorted((a, b) => (comesBefore(a, b) ? -1 : 1));
}

const isWaiting = (device: WhatsAppDevice): boolean =>
  !holdsPlace(device) &&
  !device.spec.suspend &&
  device.metadata.deletionTimestamp === undefined &&
  restOf(device) === undefined;

function comesBefore(a: WhatsAppDevice, b: WhatsAppDevice): boolean {
  const [aTime, bTime] = [a.metadata.creationTimestamp ?? "", b.metadata.creationTimestamp ?? ""];
  return aTime === bTime ? a.metadata.name < b.metadata.name : aTime < bTime;
}

/** The device's own pod, or the shared one of the lowest ordinal with room. */
export function choosePod(device: WhatsAppDevice, endpoint: EgressEndpoint, world: World): string {
  const name = endpoint.metadata.name;
  if (device.spec.isolation === "Dedicated") return dedicatedPodName(name, device.metadata.name);
  const most = poolOf(endpoint, world)?.spec.sessionPods.maxDevicesPerPod ?? 1;
  const guests = guestsByPod(endpoint, world);
  let ordinal = 0;
  while ((guests.get(sharedPodName(name, ordinal)) ?? 0) >= most) ordinal += 1;
  return sharedPodName(name, ordinal);
}

function guestsByPod(endpoint: EgressEndpoint, world: World): Map<string, number> {
  const guests = new Map<string, number>();
  for (const { status } of world.devicesOfEndpoint.get(keyOf(endpoint.metadata)) ?? []) {
    const pod = status.assignment?.pod ?? "";
    guests.set(pod, (guests.get(pod) ?? 0) + 1);
  }
  return guests;
}
