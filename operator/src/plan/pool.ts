import { isDeepStrictEqual } from "node:util";
import { finalizers, type EgressEndpoint, type EgressPool, type PoolReason, type PoolStatus } from "@wa/schema";
import { targetOf, type Action, type Plan } from "./action.ts";
import { refusalOf, sayRefusal } from "./refusals.ts";
import { refusedEndpoint } from "./refused-endpoint.ts";
import { conditionOf, setConditions, type Wanted } from "./set-conditions.ts";
import { unmatchedSelectors, wantedEndpoints, type WantedEndpoint } from "./wanted-endpoints.ts";
import { keyOf, type Now, type World } from "./world.ts";

/** Endpoints that the pool names, its finalizer, its counts. Endpoints that nothing names any more are their own plan's matter. */
export function planPool(pool: EgressPool, world: World, now: Now): Plan<PoolStatus> {
  const isUsed = isPoolUsed(pool, world);
  const finalizing = finalizerAction(pool, isUsed, world);
  const isGoing = pool.metadata.deletionTimestamp !== undefined;
  const refused = finalizing === undefined ? undefined : ownRefusal(pool, world);
  // Its own change wakes it again, or there is nothing left to wake.
  if (finalizing !== undefined && refused === undefined) return { actions: [finalizing], status: undefined };
  const first = finalizing === undefined ? [] : [finalizing];
  const stalled = (conditions: Wanted<PoolReason>[]) =>
    refused === undefined ? conditions : [...conditions.slice(0, 2), refused];
  if (isGoing) return told(pool, first, statusOf(pool, stalled(going(pool, world)), world, now));
  const wanted = wantedEndpoints(pool, world);
  const { actions, taken } = endpointActions(pool, wanted, world);
  const conditions = stalled(conditionsOf(pool, wanted, taken, world));
  return told(pool, [...first, ...actions], statusOf(pool, conditions, world, now));
}

/** The API server does not let the pool itself be changed. */
function ownRefusal(pool: EgressPool, world: World): Wanted<PoolReason> | undefined {
  const refusal = refusalOf("EgressPool", pool.metadata, world);
  if (refusal === undefined) return undefined;
  const message = sayRefusal({ kind: "EgressPool", ...pool.metadata }, refusal);
  return { type: "Stalled", status: "True", reason: "WriteRefused", message };
}

/** Devices name it or still leave by one of its endpoints. */
function isPoolUsed(pool: EgressPool, world: World): boolean {
  if ((world.devicesOfPool.get(keyOf(pool.metadata)) ?? []).length > 0) return true;
  const endpoints = world.endpointsOfPool.get(keyOf(pool.metadata)) ?? [];
  return endpoints.some(({ metadata }) =>
    (world.devicesOfEndpoint.get(keyOf(metadata)) ?? []).some(({ status }) => status.assignment?.pod !== ""),
  );
}

function finalizerAction(pool: EgressPool, isUsed: boolean, world: World): Action | undefined {
  const { metadata } = pool;
  const others = metadata.finalizers.filter((finalizer) => finalizer !== finalizers.poolInUse);
  const isHeld = others.length < metadata.finalizers.length;
  const isGoing = metadata.deletionTimestamp !== undefined;
  // A CRD on its way out takes the devices with it: holding the pool would only hang that.
  const isWanted = isUsed && !world.terminating.crds.has("egresspools");
  if (isHeld === isWanted || (isWanted && isGoing)) return undefined;
  return {
    kind: "SetFinalizers",
    target: targetOf("EgressPool", metadata),
    finalizers: isWanted ? [...others, finalizers.poolInUse] : others,
  };
}

interface EndpointActions {
  readonly actions: readonly Action[];
  /** Names that another pool's endpoint or another proxy holds. */
  readonly taken: readonly string[];
}

function endpointActions(pool: EgressPool, wanted: readonly WantedEndpoint[], world: World): EndpointActions {
  const { namespace } = pool.metadata;
  const actions: Action[] = [];
  const taken: string[] = [];
  for (const one of wanted) {
    const found = world.endpoints.get(`${namespace}/${one.name}`);
    if (found === undefined) {
      if (!world.terminating.namespaces.has(namespace)) actions.push({ kind: "CreateEndpoint", namespace, ...one });
    } else if (!isSameWay(found, one)) taken.push(one.name);
    else if (!isDeepStrictEqual({ ...found.metadata.labels }, { ...one.labels }))
      actions.push({
        kind: "SetEndpointLabels",
        target: targetOf("EgressEndpoint", found.metadata),
        labels: one.labels,
      });
  }
  return { actions, taken };
}

function isSameWay({ spec }: EgressEndpoint, wanted: WantedEndpoint): boolean {
  const address = ({ pool, member, node, proxy }: EgressEndpoint["spec"]) => [
    pool,
    member,
    node?.uid,
    proxy?.protocol,
    proxy?.host,
    proxy?.port,
  ];
  return isDeepStrictEqual(address(spec), address(wanted.spec));
}

function going(pool: EgressPool, world: World): Wanted<PoolReason>[] {
  const count = (world.devicesOfPool.get(keyOf(pool.metadata)) ?? []).length;
  const message =
    count === 0
      ? "deleted, but a device still leaves by one of its endpoints; it goes when that session has ended"
      : `deleted, but ${count} ${count === 1 ? "device uses" : "devices use"} it; delete them or let spec.egress.pool name another pool`;
  return [
    { type: "Ready", status: "False", reason: "InUse", message },
    { type: "Reconciling", status: "False", reason: "NotReconciling" },
    { type: "Stalled", status: "True", reason: "InUse", message },
  ];
}

function conditionsOf(
  pool: EgressPool,
  wanted: readonly WantedEndpoint[],
  taken: readonly string[],
  world: World,
): Wanted<PoolReason>[] {
  const settled: Wanted<PoolReason>[] = [
    { type: "Reconciling", status: "False", reason: "NotReconciling" },
    { type: "Stalled", status: "False", reason: "NotStalled" },
  ];
  const [first] = taken;
  if (first !== undefined) {
    const message = `EgressEndpoint "${first}" exists for another way out (another pool, or this member's former proxy); name the member differently, or wait until it is empty`;
    return [
      { type: "Ready", status: "False", reason: "EndpointNameTaken", message },
      { type: "Reconciling", status: "False", reason: "NotReconciling" },
      { type: "Stalled", status: "True", reason: "EndpointNameTaken", message },
    ];
  }
  const not = (reason: PoolReason, message: string): Wanted<PoolReason>[] => [
    { type: "Ready", status: "False", reason, message },
    ...settled,
  ];
  if (pool.spec.members.length === 0) return not("PoolEmpty", "spec.members is empty");
  const unmatched = unmatchedSelectors(pool, world);
  if (wanted.length === 0) return not("NoEndpoint", unmatched ?? "its members name no way out");
  const ready = readyOf(pool, world).length;
  const refused = refusedEndpoint(pool.metadata.namespace, wanted, world);
  if (ready === 0 && refused !== undefined) return not("EndpointCreateRefused", refused);
  if (ready === 0)
    return not(
      "NoEndpointReady",
      `none of ${wanted.length} endpoints is ready for devices${firstTrouble(pool, world)}`,
    );
  return [
    {
      type: "Ready",
      status: "True",
      reason: "EndpointsReady",
      message: [`${ready} of ${wanted.length} endpoints are ready for devices`, unmatched, refused]
        .filter((part) => part !== undefined)
        .join("; "),
    },
    ...settled,
  ];
}

/** One of them by name: what is wrong with all is mostly the same, and the others say it themselves. */
function firstTrouble(pool: EgressPool, world: World): string {
  for (const { metadata, status } of endpointsOf(pool, world)) {
    const ready = conditionOf(status, "Ready");
    if (ready !== undefined) return `; EgressEndpoint "${metadata.name}" ${ready.reason}: ${ready.message}`;
  }
  return "";
}

/** An Event for what somebody has to mend in the pool itself, once when it begins. Its endpoints tell their own troubles. */
function told(pool: EgressPool, actions: readonly Action[], status: PoolStatus): Plan<PoolStatus> {
  const ready = conditionOf(status, "Ready");
  const isNews = ready !== undefined && conditionOf(pool.status, "Ready")?.reason !== ready.reason;
  if (!isNews || !worthTelling.has(ready.reason)) return { actions, status };
  const note = { type: "Warning", reason: ready.reason, message: ready.message } as const;
  return { actions: [...actions, { kind: "Note", target: targetOf("EgressPool", pool.metadata), note }], status };
}

const worthTelling: ReadonlySet<string> = new Set(["PoolEmpty", "NoEndpoint", "EndpointNameTaken", "InUse"]);

const endpointsOf = (pool: EgressPool, world: World): readonly EgressEndpoint[] =>
  world.endpointsOfPool.get(keyOf(pool.metadata)) ?? [];

const readyOf = (pool: EgressPool, world: World): EgressEndpoint[] =>
  endpointsOf(pool, world).filter(
    ({ status }) => status.phase === "Active" && conditionOf(status, "Ready")?.status === "True",
  );

function statusOf(pool: EgressPool, conditions: readonly Wanted<PoolReason>[], world: World, now: Now): PoolStatus {
  const devices = world.devicesOfPool.get(keyOf(pool.metadata)) ?? [];
  return {
    observedGeneration: pool.metadata.generation,
    endpoints: endpointsOf(pool, world).length,
    readyEndpoints: readyOf(pool, world).length,
    devices: devices.length,
    connectedDevices: devices.filter(({ status }) => status.phase === "Connected").length,
    conditions: setConditions(pool.status.conditions, conditions, pool.metadata.generation, now.date),
  };
}
