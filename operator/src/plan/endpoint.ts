import { isDeepStrictEqual } from "node:util";
import {
  takeoverAfterMs,
  type EgressEndpoint,
  type EndpointStatus,
  type PodRecord,
  type WhatsAppDevice,
} from "@wa/schema";
import { targetOf, type Action, type DesiredPod, type Plan, type PlannedAssignment } from "./action.ts";
import { capacityOf, tenantsOf } from "./capacity.ts";
import { endpointConditions, linksOf } from "./endpoint-readiness.ts";
import { planPods } from "./pods.ts";
import { sessionSpecOf } from "./session-spec.ts";
import { timestamp } from "./set-conditions.ts";
import { departureOf, poolOf, standingOf, type Standing } from "./standing.ts";
import { wishOf, type Wish } from "./wish.ts";
import { keyOf, ownerOf, type Now, type PodLink, type World } from "./world.ts";

export interface EndpointPlan extends Plan<EndpointStatus> {
  /** The whole wish for every session pod of the endpoint, those that have to let go included. */
  readonly desired: readonly DesiredPod[];
  /** UIDs of pods that are history: neither recorded, nor linked, nor anybody's owner. */
  readonly forgotten: readonly string[];
  /** Keys of session pods that no device needs: the shell remembers since when. */
  readonly empty: readonly string[];
}

/** Session pods of one endpoint: which must exist, which may go, and what each shall run. */
export function planEndpoint(endpoint: EgressEndpoint, world: World, now: Now, newNonce: () => string): EndpointPlan {
  const standing = standingOf(endpoint, world);
  const links = linksOf(endpoint, world);
  const uids = new Set([...links.map(({ uid }) => uid), ...recordedUids(endpoint)]);
  const talk = {
    desired: [...uids].map((uid) => desiredOf(uid, endpoint, world, now)),
    forgotten: links.filter((link) => isHistory(link, endpoint, world, now)).map(({ uid }) => uid),
  };
  if (endpoint.metadata.deletionTimestamp !== undefined) return { actions: [], status: undefined, empty: [], ...talk };
  if (isLeftOver(endpoint, standing, world))
    return { actions: [deletionOf(endpoint)], status: undefined, empty: [], ...talk };
  const { records, ...pods } = planPods(endpoint, world, now, newNonce);
  return { ...pods, status: statusOf(endpoint, { standing, links, world, now, pods: records }), ...talk };
}

const deletionOf = ({ metadata }: EgressEndpoint): Action => ({
  kind: "DeleteEndpoint",
  target: targetOf("EgressEndpoint", metadata),
});

const recordedUids = ({ status }: EgressEndpoint): string[] => status.pods.flatMap(({ uid }) => uid ?? []);

/** Long silent, without a record, and nobody's owner: nothing more will be asked of it. */
function isHistory(link: PodLink, endpoint: EgressEndpoint, world: World, now: Now): boolean {
  const isQuiet = !link.isConnected && now.monotonicMs - link.lastHeardMs > 2 * takeoverAfterMs;
  const guests = world.devicesOfEndpoint.get(keyOf(endpoint.metadata)) ?? [];
  return (
    isQuiet && !recordedUids(endpoint).includes(link.uid) && !guests.some((device) => ownerOf(device) === link.uid)
  );
}

/** Nothing names it any more, nobody leaves by it, and its pods are gone. */
function isLeftOver(endpoint: EgressEndpoint, standing: Standing, world: World): boolean {
  const isNamed = standing !== "Orphaned" && standing !== "NodeDeleted";
  const guests = world.devicesOfEndpoint.get(keyOf(endpoint.metadata)) ?? [];
  const isStranded = guests.some(
    ({ spec }) => spec.egress.failover === "Never" && spec.egress.pool === endpoint.spec.pool,
  );
  return !isNamed && !isStranded && tenantsOf(endpoint, world) === 0 && endpoint.status.pods.length === 0;
}

/** Only devices whose written epoch belongs to this very pod; everything else it runs is released by not being named. */
function desiredOf(podUid: string, endpoint: EgressEndpoint, world: World, now: Now): DesiredPod {
  const guests = (world.devicesOfEndpoint.get(keyOf(endpoint.metadata)) ?? []).filter(
    ({ status }) => status.assignment?.podUID === podUid,
  );
  return {
    podUid,
    egressIPEndpoints: poolOf(endpoint, world)?.spec.egressIPEndpoints ?? [],
    assignments: guests
      .flatMap((device) => assignmentOf(device, wishOf(device, world, now), world))
      .toSorted((a, b) => (a.device.name < b.device.name ? -1 : 1)),
  };
}

function assignmentOf(device: WhatsAppDevice, wish: Wish, world: World): PlannedAssignment[] {
  if (wish === "Nothing" || departureOf(device, world) !== undefined) return [];
  const { namespace, name, uid } = device.metadata;
  return [
    {
      device: { namespace, name, uid },
      epoch: device.status.assignment?.epoch ?? 0,
      spec: sessionSpecOf(device, world.settings),
      desired: wish,
      pairRequestedAt: device.status.pairRequestedAt ?? "",
    },
  ];
}

interface Findings {
  readonly standing: Standing;
  readonly links: readonly PodLink[];
  readonly world: World;
  readonly now: Now;
  readonly pods: readonly PodRecord[];
}

function statusOf(endpoint: EgressEndpoint, { standing, links, world, now, pods }: Findings): EndpointStatus {
  const found = endpoint.status;
  const observedIPs = observedOf(found.observedIPs, links);
  const hasChanged = !isDeepStrictEqual(observedIPs, found.observedIPs);
  return {
    phase: phases[standing],
    observedIPs,
    observedIPsChangedAt: hasChanged ? timestamp(now.date) : found.observedIPsChangedAt,
    devices: tenantsOf(endpoint, world),
    maxSessions: capacityOf(endpoint, world),
    pods: [...pods],
    conditions: endpointConditions(endpoint, pods, world, now),
  };
}

const phases = {
  Active: "Active",
  Draining: "Draining",
  Disabled: "Disabled",
  Orphaned: "Draining",
  NodeDeleted: "Draining",
} as const satisfies Readonly<Record<Standing, EndpointStatus["phase"]>>;

/** What the linked pods saw; while none says anything, the last word stands. */
function observedOf(found: readonly string[], links: readonly PodLink[]): string[] {
  const seen = new Set(links.filter(({ isConnected }) => isConnected).flatMap(({ observedIPs }) => observedIPs));
  return seen.size === 0 ? [...found] : [...seen].toSorted().slice(0, 16);
}
