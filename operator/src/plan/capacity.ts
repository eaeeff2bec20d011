import { observedAddress, type EgressEndpoint, type EgressPool, type WhatsAppDevice } from "@wa/schema";
import { isPaired } from "./rest.ts";
import { fairLevel } from "./shares.ts";
import { memberOf } from "./standing.ts";
import { keyOf, type World } from "./world.ts";

/**
 * A device takes a place of its endpoint's addresses while a pod is named for it, and while it is paired even at rest: an
 * account comes back by the address that WhatsApp knows. An unpaired device at rest gives its place up.
 */
export function holdsPlace(device: WhatsAppDevice): boolean {
  const assignment = device.status.assignment;
  if (assignment === undefined || assignment.endpoint === "") return false;
  return assignment.pod !== "" || isPaired(device);
}

export const tenantsOf = (endpoint: EgressEndpoint, world: World): number =>
  (world.devicesOfEndpoint.get(keyOf(endpoint.metadata)) ?? []).filter(holdsPlace).length;

export const capacityOf = (endpoint: EgressEndpoint, world: World): number =>
  memberOf(endpoint, world)?.capacity.maxSessions ?? 0;

/** The addresses that an endpoint's places count on, in canonical form; until one is known, the endpoint stands for it. */
function addressesOf(endpoint: EgressEndpoint): readonly string[] {
  const known = endpoint.status.observedIPs.flatMap((text) => observedAddress(text) ?? []);
  return known.length > 0 ? known : [`endpoint:${keyOf(endpoint.metadata)}`];
}

/** One pool's places on an address. */
interface Places {
  /** What it may take. */
  readonly limit: number;
  readonly taken: number;
}

export interface SharedPlaces extends Places {
  readonly address: string;
  /** What it might take if it had the address for itself. */
  readonly ownLimit: number;
  /** The other pools that hold places on it. */
  readonly others: readonly EgressPool[];
}

const poolKeyOf = ({ metadata, spec }: EgressEndpoint): string => `${metadata.namespace}/${spec.pool}`;

const takenOn = (endpoints: readonly EgressEndpoint[], world: World): number =>
  endpoints.reduce((total, endpoint) => total + tenantsOf(endpoint, world), 0);

/** Of a pool's members that leave by one address the strictest decides; a pool whose members are gone takes no more than it has. */
function askedOn(endpoints: readonly EgressEndpoint[], world: World): number {
  const named = endpoints.filter((endpoint) => memberOf(endpoint, world) !== undefined);
  if (named.length === 0) return takenOn(endpoints, world);
  return Math.min(...named.map((endpoint) => capacityOf(endpoint, world)));
}

/**
 * A pool's places on an address. All pools that leave by it, whatever their namespace, hold together as many as the largest of them
 * may alone, each a fair share of that and at least one: no pool's limit or number of devices takes another one's share.
 */
function placesOn(address: string, endpoint: EgressEndpoint, world: World): SharedPlaces {
  const pool = poolKeyOf(endpoint);
  const sharing = Map.groupBy(world.endpointsOfAddress.get(address) ?? [endpoint], poolKeyOf);
  const own = sharing.get(pool) ?? [endpoint];
  const others = [...sharing].filter(([key, theirs]) => key !== pool && takenOn(theirs, world) > 0);
  const asked = askedOn(own, world);
  const all = [asked, ...others.map(([, theirs]) => askedOn(theirs, world))];
  const share = Math.min(asked, Math.max(1, Math.floor(fairLevel(Math.max(...all), all))));
  return {
    address,
    limit: share,
    taken: takenOn(own, world),
    ownLimit: asked,
    others: others.flatMap(([key]) => world.pools.get(key) ?? []),
  };
}

/** Where pools of others keep a pool from places that its own limit would give it: the first such address of its endpoints. */
export function heldBackOn(endpoints: readonly EgressEndpoint[], world: World): SharedPlaces | undefined {
  return endpoints
    .flatMap((endpoint) => addressesOf(endpoint).map((address) => placesOn(address, endpoint, world)))
    .find(({ limit, taken, ownLimit }) => taken >= limit && limit < ownLimit);
}

/** Free places while devices are being seated one after the other. */
export interface Rooms {
  /** Of several addresses each loses one a device, so the tightest decides. */
  free(endpoint: EgressEndpoint): number;
  /** Places left on all of them together; those that leave by the same addresses count once. */
  total(): number;
  /** 0 is empty, 1 is full. */
  load(endpoint: EgressEndpoint): number;
  take(endpoint: EgressEndpoint): void;
}

/** @param endpoints of one pool */
export function roomsOf(endpoints: readonly EgressEndpoint[], world: World): Rooms {
  const places = new Map<string, Places>();
  for (const endpoint of endpoints)
    for (const address of addressesOf(endpoint))
      if (!places.has(address)) places.set(address, placesOn(address, endpoint, world));
  const each = (endpoint: EgressEndpoint) => addressesOf(endpoint).flatMap((address) => places.get(address) ?? []);
  const free = (endpoint: EgressEndpoint) => Math.min(...each(endpoint).map(({ limit, taken }) => limit - taken));
  return {
    free,
    total: () => {
      const distinct = new Map(endpoints.map((endpoint) => [addressesOf(endpoint).join(), endpoint]));
      return [...distinct.values()].reduce((sum, endpoint) => sum + Math.max(0, free(endpoint)), 0);
    },
    load: (endpoint) => Math.max(...each(endpoint).map(({ limit, taken }) => (limit === 0 ? 1 : taken / limit))),
    take: (endpoint) => {
      for (const address of addressesOf(endpoint)) {
        const found = places.get(address);
        if (found !== undefined) places.set(address, { limit: found.limit, taken: found.taken + 1 });
      }
    },
  };
}

/** Whether the endpoint still has a place for a device that comes back from rest. */
export const hasRoomFor = (device: WhatsAppDevice, endpoint: EgressEndpoint, world: World): boolean =>
  holdsPlace(device) || roomsOf([endpoint], world).free(endpoint) > 0;
