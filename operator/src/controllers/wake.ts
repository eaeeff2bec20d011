import type { LinkChange } from "../hub/links.ts";
import { keyOf, isRecord, nameOf, type RawObject } from "../kube/object.ts";
import { isSame } from "../kube/patch.ts";
import type { Priority } from "../kube/queue-state.ts";
import type { Change } from "../kube/store.ts";
import { standsOnNode, type World } from "../plan/world.ts";
import type { Watched } from "../world/mirror.ts";
import type { Queues } from "./context.ts";

/** Counts of a pool follow a little later, so that a thousand devices cost it a few writes and not a thousand. */
const poolDelayMs = 300;

/** Which keys a change of the cluster wakes: one table for all kinds. Reads raw objects, decides nothing. */
export class Waker {
  readonly #queues: Queues;
  readonly #world: () => World | undefined;

  /** `world` is undefined until every first list has arrived: everything is queued by then anyway. */
  constructor(queues: Queues, world: () => World | undefined) {
    this.#queues = queues;
    this.#world = world;
  }

  changed(kind: Watched, change: Change, isFromList: boolean): void {
    const priority: Priority = isFromList ? "Low" : "Normal";
    switch (kind) {
      case "device":
        this.#device(change, priority);
        return;
      case "pool":
        this.#pool(change, priority);
        return;
      case "endpoint":
        this.#endpoint(change, priority);
        return;
      case "pod":
        this.#pod(change, priority);
        return;
      case "node":
        this.#node(change);
        return;
      case "namespace":
      case "crd":
        this.#going(change);
        return;
      default:
        kind satisfies never;
    }
  }

  linked(change: LinkChange): void {
    const key = keyOf(change);
    if (change.kind === "Device") {
      this.#queues.devices.add(key);
      return;
    }
    this.#queues.endpoints.add(key);
    this.#devicesOf(key, "Normal");
  }

  #device(change: Change, priority: Priority): void {
    const key = keyOf(change.object.metadata);
    const { namespace } = nameOf(key);
    this.#queues.devices.add(key, priority);
    const places = versionsOf(change).map(placeOf);
    for (const { pool, endpoint } of places) {
      this.#queues.pools.addAfter(`${namespace}/${pool}`, poolDelayMs);
      if (endpoint !== "") this.#queues.endpoints.add(`${namespace}/${endpoint}`, priority);
    }
    const hasFreed = change.kind === "Deleted" || (change.kind === "Modified" && !isSame(places[0], places[1]));
    if (hasFreed) this.#waiting();
  }

  #pool(change: Change, priority: Priority): void {
    const key = keyOf(change.object.metadata);
    this.#queues.pools.add(key, priority);
    if (change.kind === "Modified" && isSameOn(change, [["spec"], ["metadata", "deletionTimestamp"]])) return;
    for (const { metadata } of this.#world()?.endpointsOfPool.get(key) ?? [])
      this.#queues.endpoints.add(keyOf(metadata), priority);
    for (const { metadata } of this.#world()?.devicesOfPool.get(key) ?? [])
      this.#queues.devices.add(keyOf(metadata), priority);
  }

  #endpoint(change: Change, priority: Priority): void {
    const key = keyOf(change.object.metadata);
    this.#queues.endpoints.add(key, priority);
    const pool = textAt(change.object, ["spec", "pool"]);
    const poolKey = `${nameOf(key).namespace}/${pool}`;
    this.#queues.pools.addAfter(poolKey, change.kind === "Deleted" ? 0 : poolDelayMs);
    if (change.kind === "Modified" && isSameOn(change, endpointFacts)) return;
    this.#devicesOf(key, priority);
    this.#waiting();
  }

  #pod(change: Change, priority: Priority): void {
    const key = keyOf(change.object.metadata);
    const endpoint = controllerOf(change.object);
    if (endpoint === undefined) return;
    const endpointKey = `${nameOf(key).namespace}/${endpoint}`;
    this.#queues.endpoints.add(endpointKey, priority);
    this.#devicesOf(endpointKey, priority);
  }

  #node(change: Change): void {
    if (
      change.kind === "Modified" &&
      isSameOn(change, [
        ["metadata", "labels"],
        ["metadata", "uid"],
      ])
    )
      return;
    const world = this.#world();
    if (world === undefined) return;
    for (const [key, pool] of world.pools)
      if (pool.spec.members.some(({ nodePool }) => nodePool !== undefined)) this.#queues.pools.add(key);
    for (const [key, endpoint] of world.endpoints)
      if (standsOnNode(endpoint, change.object.metadata.name)) {
        this.#queues.endpoints.add(key);
        this.#devicesOf(key, "Normal");
      }
  }

  /** A namespace or CRD: only its end matters, and that is rare. */
  #going(change: Change): void {
    if (change.object.metadata["deletionTimestamp"] === undefined) return;
    const world = this.#world();
    for (const key of world?.devices.keys() ?? []) this.#queues.devices.add(key);
    for (const key of world?.pools.keys() ?? []) this.#queues.pools.add(key);
  }

  #devicesOf(endpointKey: string, priority: Priority): void {
    for (const { metadata } of this.#world()?.devicesOfEndpoint.get(endpointKey) ?? [])
      this.#queues.devices.add(keyOf(metadata), priority);
  }

  /** Devices without a place: one may have become free, in any namespace, because addresses are shared. */
  #waiting(): void {
    for (const [key, device] of this.#world()?.devices ?? [])
      if (device.status.phase === "Pending") this.#queues.devices.add(key);
  }
}

/** What of an endpoint its devices look at; its counts are not among it. */
const endpointFacts = [
  ["spec"],
  ["metadata", "labels"],
  ["metadata", "deletionTimestamp"],
  ["status", "phase"],
  ["status", "pods"],
  ["status", "observedIPs"],
] as const;

type Path = readonly string[];

const versionsOf = (change: Change): RawObject[] =>
  change.kind === "Modified" ? [change.object, change.before] : [change.object];

function isSameOn(change: Extract<Change, { kind: "Modified" }>, paths: readonly Path[]): boolean {
  return paths.every((path) => isSame(at(change.object, path), at(change.before, path)));
}

function at(value: unknown, [field, ...rest]: Path): unknown {
  if (field === undefined) return value;
  return isRecord(value) ? at(value[field], rest) : undefined;
}

function textAt(value: unknown, path: Path): string {
  const found = at(value, path);
  return typeof found === "string" ? found : "";
}

function placeOf(device: RawObject) {
  return {
    pool: textAt(device, ["spec", "egress", "pool"]),
    endpoint: textAt(device, ["status", "assignment", "endpoint"]),
    pod: textAt(device, ["status", "assignment", "pod"]),
  };
}

function controllerOf(pod: RawObject): string | undefined {
  const owners = pod.metadata["ownerReferences"];
  const owner: unknown = Array.isArray(owners)
    ? owners.find((item) => isRecord(item) && item["controller"] === true)
    : undefined;
  return isRecord(owner) && typeof owner["name"] === "string" ? owner["name"] : undefined;
}
