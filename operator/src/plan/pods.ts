import type { EgressEndpoint, PodRecord, WhatsAppDevice } from "@wa/schema";
import { buildSessionPod, type SessionPod } from "../build/session-pod.ts";
import { sooner, targetOf, type Action } from "./action.ts";
import { isPodOf, isStrayOf } from "./pod-record.ts";
import { memberOf, poolOf, standingOf } from "./standing.ts";
import { podNameOf, keyOf, type Now, type PodFacts, type World } from "./world.ts";

/** How long a session pod without devices stays: a suspension is often short. */
export const emptyGraceMs = 60_000;
/** Between the end of a pod and its next making: doubled with each end in a row. */
const firstPauseMs = 1_000;
const longestPauseMs = 5 * 60_000;
/** A pod that lived longer than this has ended for another reason than the one before. */
const forgivenAfterMs = 10 * 60_000;

export interface PodsPlan {
  readonly records: readonly PodRecord[];
  readonly actions: readonly Action[];
  readonly empty: readonly string[];
  readonly recheckAfterMs?: number;
}

interface Scene {
  readonly endpoint: EgressEndpoint;
  readonly world: World;
  readonly now: Now;
  readonly newNonce: () => string;
}

/** What follows for one record: how it stands afterwards (undefined: it is dropped) and what to do. */
interface Step {
  readonly record: PodRecord | undefined;
  readonly actions?: readonly Action[];
  readonly empty?: string;
  readonly recheckAfterMs?: number;
}

/**
 * A pod is created only under a record that is written already: what this pass adds is created by the next. So a crash
 * between the two leaves a record without a pod, never a pod that nobody knows.
 */
export function planPods(endpoint: EgressEndpoint, world: World, now: Now, newNonce: () => string): PodsPlan {
  const scene = { endpoint, world, now, newNonce };
  const needed = neededPods(endpoint, world);
  const known = new Set(endpoint.status.pods.map(({ name }) => name));
  const steps = endpoint.status.pods.map((record) => stepOf(record, needed.has(record.name), scene));
  const added = [...needed]
    .filter(([name]) => !known.has(name))
    .map(([name, device]) => newRecord(name, device, newNonce()));
  const recheckAfterMs = steps.map((step) => step.recheckAfterMs).reduce(sooner, undefined);
  return {
    records: [...steps.flatMap(({ record }) => record ?? []), ...added].toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    actions: [...steps.flatMap(({ actions }) => actions ?? []), ...strays(scene)],
    empty: steps.flatMap(({ empty }) => empty ?? []),
    ...(recheckAfterMs === undefined ? {} : { recheckAfterMs }),
  };
}

/** Names that devices' assignments ask for, with one device each. */
function neededPods(endpoint: EgressEndpoint, world: World): Map<string, WhatsAppDevice> {
  const needed = new Map<string, WhatsAppDevice>();
  for (const device of world.devicesOfEndpoint.get(keyOf(endpoint.metadata)) ?? []) {
    const name = podNameOf(device);
    if (name !== "" && !needed.has(name)) needed.set(name, device);
  }
  return needed;
}

function newRecord(name: string, device: WhatsAppDevice, nonce: string): PodRecord {
  const isDedicated = device.spec.isolation === "Dedicated";
  return isDedicated ? { name, nonce, dedicatedTo: device.metadata.name } : { name, nonce };
}

function stepOf(record: PodRecord, isNeeded: boolean, scene: Scene): Step {
  const found = podOf(record, scene);
  if (found !== undefined && record.uid === undefined) return { record: { ...record, uid: found.uid } };
  if (!isNeeded) return unneeded(record, found, scene);
  if (found !== undefined) return hasEnded(found) ? { record, actions: [deletion(found, "Ended")] } : { record };
  return record.uid === undefined ? creation(record, scene) : renewal(record, scene);
}

function podOf(record: PodRecord, { endpoint, world }: Scene): PodFacts | undefined {
  const pod = world.pods.get(keyOf({ namespace: endpoint.metadata.namespace, name: record.name }));
  return pod !== undefined && isPodOf(record, pod) ? pod : undefined;
}

/** Left by a call that came late. They hold the name that another is to have, and no device can run in them. */
function strays({ endpoint, world }: Scene): readonly Action[] {
  const target = targetOf("EgressEndpoint", endpoint.metadata);
  return (world.podsOfEndpoint.get(endpoint.metadata.uid) ?? [])
    .filter((pod) => !pod.isTerminating && isStrayOf(endpoint, pod))
    .map((pod) => ({ kind: "DeleteStray", pod, endpoint: target }));
}

const hasEnded = (pod: PodFacts): boolean =>
  !pod.isTerminating && (pod.phase === "Failed" || pod.phase === "Succeeded");

const deletion = ({ namespace, name, uid }: PodFacts, why: "Ended" | "Empty"): Action => ({
  kind: "DeletePod",
  namespace,
  name,
  uid,
  why,
});

function unneeded(record: PodRecord, found: PodFacts | undefined, { endpoint, world, now }: Scene): Step {
  if (found === undefined) return { record: undefined, actions: [expectGone(record, endpoint)] };
  const key = keyOf(found);
  if (found.isTerminating) return { record, empty: key };
  const sinceMs = world.memory.emptySinceMs.get(key) ?? now.monotonicMs;
  const remainingMs = sinceMs + emptyGraceMs - now.monotonicMs;
  return remainingMs > 0
    ? { record, empty: key, recheckAfterMs: remainingMs }
    : { record, empty: key, actions: [deletion(found, "Empty")] };
}

const expectGone = (record: PodRecord, { metadata }: EgressEndpoint): Action => ({
  kind: "ExpectPodGone",
  namespace: metadata.namespace,
  record,
});

/** The pod of that UID is gone: the next one gets a nonce of its own. */
function renewal(record: PodRecord, { endpoint, newNonce }: Scene): Step {
  const { uid: _gone, ...kept } = record;
  return { record: { ...kept, nonce: newNonce() }, actions: [expectGone(record, endpoint)] };
}

function creation(record: PodRecord, scene: Scene): Step {
  const { endpoint, world, now } = scene;
  const isUseless =
    standingOf(endpoint, world) === "NodeDeleted" || world.terminating.namespaces.has(endpoint.metadata.namespace);
  if (isUseless) return { record };
  const waitMs = pauseMs(record, scene) - now.monotonicMs;
  if (waitMs > 0) return { record, recheckAfterMs: waitMs };
  // Somebody holds the name: the API server would refuse. A stray goes by itself, of a foreigner the devices' conditions say so.
  if (world.pods.has(keyOf({ namespace: endpoint.metadata.namespace, name: record.name }))) return { record };
  const target = targetOf("EgressEndpoint", endpoint.metadata);
  return {
    record,
    actions: [{ kind: "CreatePod", pod: podFor(record, endpoint, world), endpoint: target, record }],
  };
}

/** When the next pod of that name may be made, by the monotonic clock. */
function pauseMs({ name }: PodRecord, { endpoint, world, now }: Scene): number {
  const ends = world.memory.podEnds.get(keyOf({ namespace: endpoint.metadata.namespace, name }));
  if (ends === undefined || now.monotonicMs - ends.lastMs > forgivenAfterMs) return 0;
  return ends.lastMs + Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(ends.count - 1, 20));
}

function podFor({ name, nonce }: PodRecord, endpoint: EgressEndpoint, world: World): SessionPod {
  const pool = poolOf(endpoint, world);
  return buildSessionPod({
    endpoint,
    member: memberOf(endpoint, world),
    template: pool?.spec.sessionPods.template ?? defaultTemplate,
    settings: world.settings,
    name,
    nonce,
  });
}

/** For an endpoint that drains after its pool has gone. */
const defaultTemplate = {
  resources: { requests: { cpu: "50m", memory: "160Mi" }, limits: { memory: "512Mi" } },
  labels: {},
  annotations: {},
  tolerations: [],
  priorityClassName: "",
};
