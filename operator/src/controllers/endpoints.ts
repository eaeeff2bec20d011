import { randomUUID } from "node:crypto";
import { currentDataKey, storeKey, type Assignment, type EgressEndpoint, type EndpointStatus } from "@wa/schema";
import type { Outcome } from "../act/perform.ts";
import { writeStatus } from "../act/status.ts";
import type { Links } from "../hub/links.ts";
import { isNotFound } from "../kube/api-error.ts";
import type { Reconciled } from "../kube/workers.ts";
import { sooner, targetOf, type Action, type DesiredPod, type PlannedAssignment } from "../plan/action.ts";
import { planEndpoint } from "../plan/endpoint.ts";
import { endpointConditions, endpointNotes } from "../plan/endpoint-readiness.ts";
import { keyOf, type World } from "../plan/world.ts";
import { act, refusedRecheckMs, tellAll, whileWriting } from "./act.ts";
import { mustLead, type Context } from "./context.ts";
import { cutGonePods } from "./gone-pods.ts";

export interface EndpointContext extends Context {
  readonly links: Pick<Links, "setDesired" | "forget" | "cut" | "openLedgers">;
  /** Prefix of every key in the store. */
  readonly installation: string;
  readonly masterKey: () => Uint8Array;
}

/** One visit to one endpoint: the wishes for its pods first, because they need nobody, then the pods. */
export async function reconcileEndpoint(key: string, context: EndpointContext): Promise<Reconciled> {
  await lookAtForeigners(key, context);
  await cutGonePods(key, context);
  const world = context.view.snapshot();
  const endpoint = world.endpoints.get(key);
  if (endpoint === undefined) return releaseAll(key, world, context);
  const plan = planEndpoint(endpoint, world, context.clock(), randomUUID);
  mustLead(context);
  for (const desired of plan.desired) wish(desired, context);
  forget(plan.forgotten, context);
  noteEmpty(endpoint, plan.empty, context);
  const tried = await performAll(plan.actions, endpoint, context);
  if (plan.status !== undefined) await openLedgers(endpoint, plan.status, context);
  const isRefused =
    plan.status !== undefined && (await tell(endpoint, asTried(endpoint, plan.status, tried, context), context));
  const requeueAfterMs = sooner(plan.recheckAfterMs, tried.isTroubled || isRefused ? refusedRecheckMs : undefined);
  return requeueAfterMs === undefined ? {} : { requeueAfterMs };
}

/** A ledger that a status names and that is not there was lost: so it is made before. An endpoint's own goes with its first pod. */
async function openLedgers(endpoint: EgressEndpoint, next: EndpointStatus, { links }: EndpointContext): Promise<void> {
  const before = endpoint.status;
  const own = before.pods.length === 0 && next.pods.length > 0 ? [keyOf(endpoint.metadata)] : [];
  const addresses = next.observedIPs.filter((address) => !before.observedIPs.includes(address));
  await links.openLedgers([...own, ...addresses]);
}

interface Tried {
  /** A pod cannot be made now, or another act is refused. */
  readonly isTroubled: boolean;
  /** Nobody could say that a pod is gone: records stay as they are. */
  readonly isUnknown: boolean;
}

/** What the API server has just said about a pod counts in this pass already. */
function asTried(
  endpoint: EgressEndpoint,
  planned: EndpointStatus,
  { isUnknown }: Tried,
  { view, clock }: Context,
): EndpointStatus {
  const status = isUnknown ? { ...planned, pods: endpoint.status.pods } : planned;
  return { ...status, conditions: endpointConditions(endpoint, status.pods, view.snapshot(), clock()) };
}

/** True: the API server refuses the status. */
async function tell(endpoint: EgressEndpoint, next: EndpointStatus, context: Context): Promise<boolean> {
  const target = targetOf("EgressEndpoint", endpoint.metadata);
  if (await write(endpoint, next, context)) return true;
  await tellAll(
    endpointNotes(endpoint, next).map((note) => ({ kind: "Note", target, note })),
    context,
  );
  return false;
}

/** The endpoint's object is gone for good or is being made again; what its pods run, they have to let go of. */
function releaseAll(key: string, world: World, { links }: EndpointContext): Reconciled {
  for (const { uid, namespace, endpoint } of world.links.values())
    if (keyOf({ namespace, name: endpoint }) === key) links.setDesired(uid, { egressIPEndpoints: [], assignments: [] });
  return {};
}

function wish(desired: DesiredPod, { links, view, clock, ...keys }: EndpointContext): void {
  const assignments = desired.assignments.map((assignment) => withKeys(assignment, keys));
  links.setDesired(desired.podUid, { egressIPEndpoints: desired.egressIPEndpoints, assignments });
  const uids = assignments.map(({ device }) => device.uid);
  view.memory.wished(desired.podUid, uids, clock().monotonicMs);
}

/** Only this device's keys ever leave the operator. */
function withKeys(
  assignment: PlannedAssignment,
  { installation, masterKey }: Pick<EndpointContext, "installation" | "masterKey">,
): Assignment {
  const { namespace, name } = assignment.device;
  return { ...assignment, dataKeys: [currentDataKey(masterKey(), storeKey(installation, namespace, name))] };
}

function forget(podUids: readonly string[], { links, view }: EndpointContext): void {
  for (const uid of podUids) {
    links.forget(uid);
    view.memory.forgetPod(uid);
  }
}

function noteEmpty({ metadata, status }: EgressEndpoint, empty: readonly string[], { view, clock }: Context): void {
  const { namespace } = metadata;
  const all = status.pods.map(({ name }) => keyOf({ namespace, name }));
  view.memory.noteEmpty(all, empty, clock().monotonicMs);
}

async function performAll(actions: readonly Action[], endpoint: EgressEndpoint, context: Context): Promise<Tried> {
  const target = targetOf("EgressEndpoint", endpoint.metadata);
  let [isTroubled, isUnknown] = [false, false];
  for (const action of actions) {
    const outcome = await act(action, target, context);
    notePod(outcome, endpoint, context);
    isTroubled ||= outcome.kind === "Refused" || outcome.kind === "PodNameTaken";
    isUnknown ||= outcome.kind === "Refused" && action.kind === "ExpectPodGone";
  }
  return { isTroubled, isUnknown };
}

/** Remembers what came of an act on a pod, and wakes its devices when that is news to them. */
function notePod(outcome: Outcome, endpoint: EgressEndpoint, context: Context): void {
  const { memory } = context.view;
  if (outcome.kind === "PodEnded") memory.podEnded(outcome.key, context.clock().monotonicMs);
  if (outcome.kind === "PodNameTaken" && outcome.pod !== undefined) memory.noteForeign(outcome.pod);
  context.view.touch();
  const isNews = outcome.kind === "PodNameTaken" || (outcome.kind === "Refused" && outcome.isNews);
  if (isNews) wakeDevices(endpoint, context.view.snapshot(), context);
}

function wakeDevices(endpoint: EgressEndpoint, world: World, { queues }: Context): void {
  for (const { metadata } of world.devicesOfEndpoint.get(keyOf(endpoint.metadata)) ?? [])
    queues.devices.add(keyOf(metadata));
}

/** Foreign pods carry none of our labels, so no mirror says when they go: ask. One of ours is among them until the mirror has it. */
async function lookAtForeigners(key: string, context: Context): Promise<void> {
  const { view, actor } = context;
  const endpoint = view.snapshot().endpoints.get(key);
  for (const { name } of endpoint?.status.pods ?? []) {
    const known = view.memory.foreignPods.get(keyOf({ namespace: endpoint?.metadata.namespace ?? "", name }));
    if (known === undefined) continue;
    const found = view.isMirrored(known) ? undefined : await actor.pods.get(known);
    if (found?.uid === known.uid) context.queues.endpoints.addAfter(key, refusedRecheckMs);
    else view.memory.foreignPods.delete(keyOf(known));
    view.touch();
  }
}

async function write(endpoint: EgressEndpoint, next: EndpointStatus, context: Context): Promise<boolean> {
  const { view, actor } = context;
  const noting = {
    patchStatus: async (...args: Parameters<typeof actor.endpoints.patchStatus>) => {
      const written = await actor.endpoints.patchStatus(...args);
      view.wroteEndpoint(written);
      return written;
    },
  };
  const target = targetOf("EgressEndpoint", endpoint.metadata);
  return await whileWriting(target, async () => void (await writeStatus(noting, endpoint, next)), context).catch(
    (error: unknown) => {
      if (isNotFound(error)) return false;
      throw error;
    },
  );
}
