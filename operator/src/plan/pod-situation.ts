import type { WhatsAppDevice } from "@wa/schema";
import type { Situation } from "./phases.ts";
import { ownerOf, podNameOf, endpointOf, keyOf, type PodFacts, type World } from "./world.ts";

/** Where a device stands without a session: what its pod lacks. */
export function podSituation(device: WhatsAppDevice, world: World): Situation {
  const name = podNameOf(device);
  const key = keyOf({ namespace: device.metadata.namespace, name });
  const pod = world.pods.get(key);
  if (isForeign(device, pod, world)) return foreign(key);
  const refusal = pod === undefined ? world.memory.podRefusals.get(key) : undefined;
  if (refusal !== undefined) return refused(key, refusal);
  const isLinked = world.links.get(ownerOf(device))?.isConnected === true;
  return isLinked ? starting(name) : podStarting(name, pod?.problem ?? "");
}

const foreign = (key: string): Situation => ({
  name: "PodBlocked",
  reason: "PodNameTaken",
  message: `a pod ${key} exists that the operator did not create; delete it, and the session pod takes its place`,
});

const refused = (key: string, refusal: string): Situation => ({
  name: "PodRefused",
  reason: refusal.includes("exceeded quota") ? "QuotaExceeded" : "PodCreateRefused",
  message: `the API server refuses session pod ${key}: ${refusal}`,
});

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

/** Its nonce is not the one that was recorded before our pod was to be created. */
function isForeign(device: WhatsAppDevice, pod: PodFacts | undefined, world: World): boolean {
  const records = endpointOf(device, world)?.status.pods ?? [];
  const record = records.find(({ name }) => name === device.status.assignment?.pod);
  if (pod === undefined || record === undefined || pod.isTerminating) return false;
  return record.uid === undefined && pod.nonce !== record.nonce;
}
