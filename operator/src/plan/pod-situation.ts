import type { DeviceReason, EgressEndpoint, EndpointReason, PodRecord, WhatsAppDevice } from "@wa/schema";
import type { Situation } from "./phases.ts";
import { isPodOf } from "./pod-record.ts";
import { refusalOf, sayRefusal } from "./refusals.ts";
import { templateField } from "./template-field.ts";
import { ownerOf, podNameOf, endpointOf, keyOf, type PodFacts, type PodLink, type World } from "./world.ts";

/** Where a device stands without a session: what its pod lacks. */
export function podSituation(device: WhatsAppDevice, world: World): Situation {
  const name = podNameOf(device);
  const key = keyOf({ namespace: device.metadata.namespace, name });
  const pod = world.pods.get(key);
  if (isForeign(device, pod, world)) return { name: "PodBlocked", ...foreign(key) };
  const refused = refusedPod(device.metadata.namespace, name, endpointOf(device, world), world);
  if (refused !== undefined) return { name: pod === undefined ? "PodRefused" : "PodStarting", ...refused };
  const link = world.links.get(ownerOf(device));
  if (link?.isConnected === true) return starting(name);
  return link?.refusal === undefined
    ? podStarting(name, pod?.problem ?? "")
    : { name: "PodStarting", ...linkRefused(name, link.refusal) };
}

/** What the hub answered to a pod's dial: mostly an image that is not the operator's own version. */
export const linkRefused = (pod: string, { reason, message }: NonNullable<PodLink["refusal"]>): Trouble => ({
  reason: "LinkRefused",
  message: `the operator refuses the link of session pod ${pod}: ${reason}: ${message}`,
});

/** Said of the device and of its endpoint. */
interface Trouble {
  readonly reason: DeviceReason & EndpointReason;
  readonly message: string;
}

const foreign = (key: string): Trouble => ({
  reason: "PodNameTaken",
  message: `a pod ${key} exists that the operator did not create; delete it, and the session pod takes its place`,
});

/** What the API server does not let happen to a pod: that it is made, or that the one before it goes. */
function refusedPod(
  namespace: string,
  name: string,
  endpoint: EgressEndpoint | undefined,
  world: World,
): Trouble | undefined {
  const object = { kind: "Pod", namespace, name } as const;
  const refusal = refusalOf("Pod", object, world);
  if (refusal === undefined) return undefined;
  const { verb, message } = refusal;
  if (verb !== "create") return { reason: "WriteRefused", message: sayRefusal(object, refusal) };
  // It was made after all, and what was said of it is of the past.
  if (world.pods.has(keyOf(object))) return undefined;
  const field = endpoint === undefined ? undefined : templateField(message, endpoint, world);
  return {
    reason: /exceeded quota|failed quota/.test(message) ? "QuotaExceeded" : "PodCreateRefused",
    message: `the API server refuses session pod ${keyOf(object)}${field === undefined ? "" : `, made from ${field}`}: ${message}`,
  };
}

const starting = (name: string): Situation => ({
  name: "Starting",
  reason: "SessionStarting",
  message: `the session pod ${name} takes the device`,
});

const podStarting = (name: string, problem: string): Situation => ({
  name: "PodStarting",
  reason: "PodStarting",
  message: `the session pod ${name} is not ready yet${problem === "" ? "" : `: ${problem}`}`,
});

function isForeign(device: WhatsAppDevice, pod: PodFacts | undefined, world: World): boolean {
  const endpoint = endpointOf(device, world);
  const record = endpoint?.status.pods.find(({ name }) => name === device.status.assignment?.pod);
  return endpoint !== undefined && record !== undefined && isForeignTo(record, endpoint, pod);
}

/** It holds the name, was not made for the endpoint, and does not go by itself. */
function isForeignTo(record: PodRecord, { metadata }: EgressEndpoint, pod: PodFacts | undefined): boolean {
  if (pod === undefined || pod.isTerminating || pod.endpointUid === metadata.uid) return false;
  return record.uid === undefined && !isPodOf(record, pod);
}

/** Why a recorded pod of an endpoint cannot be made; undefined: nothing is known against it. */
export function podTrouble(record: PodRecord, endpoint: EgressEndpoint, world: World): Trouble | undefined {
  const { metadata } = endpoint;
  const key = keyOf({ namespace: metadata.namespace, name: record.name });
  const pod = world.pods.get(key);
  if (isForeignTo(record, endpoint, pod)) return foreign(key);
  return refusedPod(metadata.namespace, record.name, endpoint, world);
}
