import type { EgressEndpoint, WhatsAppDevice } from "@wa/schema";
import { isPaired } from "./rest.ts";
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

/** The addresses that an endpoint's places count on; until one is known, the endpoint stands for it. */
const addressesOf = (endpoint: EgressEndpoint): readonly string[] =>
  endpoint.status.observedIPs.length > 0 ? endpoint.status.observedIPs : [`endpoint:${keyOf(endpoint.metadata)}`];

interface Places {
  readonly limit: number;
  readonly taken: number;
}

/** All endpoints that leave by an address share its places, whatever their namespace, and the strictest member decides. */
function placesOn(address: string, endpoint: EgressEndpoint, world: World): Places {
  const sharing = world.endpointsOfAddress.get(address) ?? [endpoint];
  const limits = sharing
    .filter((other) => memberOf(other, world) !== undefined)
    .map((other) => capacityOf(other, world));
  const taken = sharing.reduce((total, other) => total + tenantsOf(other, world), 0);
  return { limit: Math.min(...limits, capacityOf(endpoint, world)), taken };
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
