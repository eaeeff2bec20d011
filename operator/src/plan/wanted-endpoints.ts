import {
  labels,
  labelValues,
  type EgressEndpoint,
  type EgressPool,
  type PoolMember,
  type WhatsAppDevice,
} from "@wa/schema";
import { endpointName } from "./names.ts";
import type { Facts } from "./world.ts";

/** Every wanted label is there with its value. */
export function carries(found: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([key, value]) => found[key] === value);
}

/** The device's selector allows the endpoint. */
export const matches = (device: WhatsAppDevice, endpoint: EgressEndpoint): boolean =>
  carries(endpoint.metadata.labels, device.spec.egress.selector.matchLabels);

export interface WantedEndpoint {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly spec: EgressEndpoint["spec"];
}

/** One endpoint for each selected node and each proxy that the pool names, whatever the member's state. */
export function wantedEndpoints(pool: EgressPool, world: Pick<Facts, "nodes">): WantedEndpoint[] {
  return pool.spec.members.flatMap((member) => ofMember(pool.metadata.name, member, world));
}

const shownMembers = 3;

/** Members whose nodePool no node fits, by field and value; undefined: there is none. */
export function unmatchedSelectors(pool: EgressPool, world: Pick<Facts, "nodes">): string | undefined {
  const unmatched = pool.spec.members.flatMap((member) =>
    member.nodePool !== undefined && ofMember(pool.metadata.name, member, world).length === 0
      ? [`${memberField(member.name)}.nodePool.nodeSelector ${JSON.stringify(member.nodePool.nodeSelector)}`]
      : [],
  );
  if (unmatched.length === 0) return undefined;
  const more = unmatched.length > shownMembers ? ` and ${unmatched.length - shownMembers} more` : "";
  return `no node carries the labels of ${unmatched.slice(0, shownMembers).join(", ")}${more}`;
}

/** A member as the API server writes its path. */
export const memberField = (name: string): string => `spec.members[name="${name}"]`;

function ofMember(pool: string, member: PoolMember, world: Pick<Facts, "nodes">): WantedEndpoint[] {
  const common = { pool, member: member.name };
  const labelled = {
    ...member.labels,
    [labels.pool]: pool,
    [labels.member]: member.name,
    [labels.managedBy]: labelValues.manager,
  };
  if (member.proxy !== undefined)
    return [{ name: endpointName(pool, member.name), labels: labelled, spec: { ...common, proxy: member.proxy } }];
  const selector = member.nodePool?.nodeSelector ?? {};
  // An empty selector would take every node of the cluster; the schema refuses it, and so does this.
  if (Object.keys(selector).length === 0) return [];
  return [...world.nodes.values()]
    .filter((node) => carries(node.labels, selector))
    .map((node) => ({
      name: endpointName(pool, member.name, node.uid),
      labels: labelled,
      spec: { ...common, node: { name: node.name, uid: node.uid } },
    }));
}
