import type { EgressEndpoint, EgressPool, WhatsAppDevice } from "@wa/schema";
import { apiVersion } from "@wa/schema";
import { ApiError, isNamespaceTerminating } from "../kube/api-error.ts";
import type { Resource } from "../kube/resource.ts";
import type { Action, Target } from "../plan/action.ts";
import type { PodFacts } from "../plan/world.ts";
import type { EventRecorder } from "./events.ts";
import { createOnce, setFinalizers, setLabels } from "./objects.ts";

/** The kinds that we write, and who wants to know what was written. */
export interface Actor {
  readonly devices: Resource<WhatsAppDevice>;
  readonly pools: Resource<EgressPool>;
  readonly endpoints: Resource<EgressEndpoint>;
  readonly pods: Resource<PodFacts>;
  readonly events: Pick<EventRecorder, "record">;
}

/** What an action led to, for the memory of the process. */
export type Outcome =
  | { readonly kind: "Done" }
  | { readonly kind: "PodCreated"; readonly pod: PodFacts }
  /** A pod of that name exists; ours if it carries the nonce. */
  | { readonly kind: "PodNameTaken"; readonly pod: PodFacts | undefined }
  | { readonly kind: "PodRefused"; readonly message: string }
  | { readonly kind: "PodEnded"; readonly key: string };

/** The cache said that a pod is gone, and the API server says that it lives: look again later. */
class StaleCacheError extends Error {
  override readonly name = "StaleCacheError";
}

const done: Outcome = { kind: "Done" };

/** One call to the API server. @throws what the call throws; a refused pod is an outcome. */
export async function perform(action: Action, actor: Actor): Promise<Outcome> {
  switch (action.kind) {
    case "SetFinalizers":
      await setFinalizers(resourceOf(action.target, actor), action.target, action.finalizers);
      return done;
    case "CreateEndpoint":
      await createEndpoint(action, actor);
      return done;
    case "SetEndpointLabels":
      await relabel(action, actor);
      return done;
    case "DeleteEndpoint":
      await actor.endpoints.delete(action.target, { uid: action.target.uid });
      return done;
    case "CreatePod":
      return await createPod(action, actor);
    case "DeletePod":
      await actor.pods.delete(action, { uid: action.uid });
      return action.why === "Ended" ? { kind: "PodEnded", key: `${action.namespace}/${action.name}` } : done;
    case "ExpectPodGone":
      await expectPodGone(action, actor);
      return done;
    case "Note":
      actor.events.record({ ...action.target, apiVersion }, action.note);
      return done;
    default:
      return action satisfies never;
  }
}

type Of<Kind extends Action["kind"]> = Extract<Action, { readonly kind: Kind }>;

function resourceOf({ kind }: Target, actor: Actor): Resource<unknown> {
  switch (kind) {
    case "WhatsAppDevice":
      return actor.devices;
    case "EgressPool":
      return actor.pools;
    case "EgressEndpoint":
      return actor.endpoints;
    default:
      return kind satisfies never;
  }
}

async function createEndpoint({ namespace, name, labels, spec }: Of<"CreateEndpoint">, actor: Actor): Promise<void> {
  try {
    await createOnce(actor.endpoints, { metadata: { namespace, name, labels }, spec });
  } catch (error) {
    // The namespace's end reached the API server before it reached our mirror.
    if (!isNamespaceTerminating(error)) throw error;
  }
}

/** Labels that are wanted no more become null, which removes them. */
async function relabel({ target, labels }: Of<"SetEndpointLabels">, actor: Actor): Promise<void> {
  const found = await actor.endpoints.get(target);
  const unwanted = Object.keys(found?.metadata.labels ?? {}).filter((key) => labels[key] === undefined);
  await setLabels(actor.endpoints, target, { ...Object.fromEntries(unwanted.map((key) => [key, null])), ...labels });
}

async function createPod({ pod }: Of<"CreatePod">, actor: Actor): Promise<Outcome> {
  try {
    const created = await createOnce(actor.pods, pod);
    return created.kind === "Created"
      ? { kind: "PodCreated", pod: created.object }
      : { kind: "PodNameTaken", pod: created.object };
  } catch (error) {
    if (error instanceof ApiError && isRefusal(error)) return { kind: "PodRefused", message: error.message };
    throw error;
  }
}

/** Quota, admission and Pod Security answer 403; a template that the API server finds invalid 422. */
const isRefusal = ({ status }: ApiError): boolean => status === 403 || status === 422 || status === 400;

async function expectPodGone({ namespace, name, uid, nonce }: Of<"ExpectPodGone">, actor: Actor): Promise<void> {
  const pod = await actor.pods.get({ namespace, name });
  const isOurs = uid === undefined ? pod?.nonce === nonce : pod?.uid === uid;
  if (pod !== undefined && isOurs) throw new StaleCacheError(`pod ${namespace}/${name} still exists`);
}
