import type { EgressEndpoint, EgressPool, PoolMember, WhatsAppDevice } from "@wa/schema";
import { podNameOf, endpointOf, poolKeyOf, type Facts, type NodeFacts } from "./world.ts";
import { dedicatedPodName } from "./names.ts";
import { carries, matches, wantedEndpoints } from "./wanted-endpoints.ts";

/**
 * How an endpoint stands, from its pool and node alone. `Orphaned`: nothing names it any more (member or pool gone, node
 * no longer selected, proxy changed under the same name): it keeps its devices and takes none. `NodeDeleted`: its way out is gone.
 */
export type Standing = "Active" | "Draining" | "Disabled" | "Orphaned" | "NodeDeleted";

export function standingOf(endpoint: EgressEndpoint, world: Facts): Standing {
  const { namespace } = endpoint.metadata;
  const { pool, member: memberName, node: nodeRef } = endpoint.spec;
  const node = nodeRef === undefined ? undefined : world.nodes.get(nodeRef.name);
  if (nodeRef !== undefined && node?.uid !== nodeRef.uid) return "NodeDeleted";
  const member = world.pools.get(`${namespace}/${pool}`)?.spec.members.find(({ name }) => name === memberName);
  if (member === undefined || !namesEndpoint(member, endpoint, node)) return "Orphaned";
  return member.state;
}

function namesEndpoint(member: PoolMember, { spec }: EgressEndpoint, node: NodeFacts | undefined): boolean {
  if (member.nodePool !== undefined) return node !== undefined && carries(node.labels, member.nodePool.nodeSelector);
  return member.proxy !== undefined && spec.proxy !== undefined && isSameProxy(member.proxy, spec.proxy);
}

type ProxyAddress = { readonly protocol: string; readonly host: string; readonly port: number };
const isSameProxy = (a: ProxyAddress, b: ProxyAddress): boolean =>
  a.protocol === b.protocol && a.host === b.host && a.port === b.port;

export function memberOf(endpoint: EgressEndpoint, world: Facts): PoolMember | undefined {
  return poolOf(endpoint, world)?.spec.members.find(({ name }) => name === endpoint.spec.member);
}

export const poolOf = ({ metadata, spec }: EgressEndpoint, world: Facts): EgressPool | undefined =>
  world.pools.get(`${metadata.namespace}/${spec.pool}`);

/** Why a device has to leave where its stored assignment puts it; undefined: it stays. A good session is never moved for less. */
export type Departure =
  | "EndpointDeleted"
  | "PoolChanged"
  | "SelectorChanged"
  | "NodeDeleted"
  | "MemberDisabled"
  | "IsolationChanged";

export function departureOf(device: WhatsAppDevice, world: Facts): Departure | undefined {
  if ((device.status.assignment?.endpoint ?? "") === "") return undefined;
  const endpoint = endpointOf(device, world);
  if (endpoint !== undefined) return departureFrom(endpoint, device, world);
  return isComingBack(device, world) ? undefined : "EndpointDeleted";
}

function departureFrom(endpoint: EgressEndpoint, device: WhatsAppDevice, world: Facts): Departure | undefined {
  if (endpoint.spec.pool !== device.spec.egress.pool) return "PoolChanged";
  if (!matches(device, endpoint)) return "SelectorChanged";
  const standing = standingOf(endpoint, world);
  if (standing === "Disabled") return "MemberDisabled";
  if (standing === "NodeDeleted" && device.spec.egress.failover !== "Never") return "NodeDeleted";
  const pod = podNameOf(device);
  return pod !== "" && !fitsPod(device, endpoint, pod) ? "IsolationChanged" : undefined;
}

/** Somebody deleted the endpoint's object, but its pool still names that way out: it is made again under this name. */
function isComingBack(device: WhatsAppDevice, world: Facts): boolean {
  const pool = world.pools.get(poolKeyOf(device));
  if (pool === undefined) return false;
  return wantedEndpoints(pool, world).some(({ name }) => name === device.status.assignment?.endpoint);
}

function fitsPod(device: WhatsAppDevice, endpoint: EgressEndpoint, pod: string): boolean {
  const own = dedicatedPodName(endpoint.metadata.name, device.metadata.name);
  return (pod === own) === (device.spec.isolation === "Dedicated");
}
