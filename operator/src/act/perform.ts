import type { EgressEndpoint, EgressPool, WhatsAppDevice } from "@wa/schema";
import { apiVersion } from "@wa/schema";
import { isNamespaceTerminating } from "../kube/api-error.ts";
import type { Resource } from "../kube/resource.ts";
import type { Action, ActionOf, Target } from "../plan/action.ts";
import type { PodFacts } from "../plan/world.ts";
import { announce, type ActLog } from "./announce.ts";
import type { EventRecorder } from "./events.ts";
import { createOnce, setFinalizers, setLabels } from "./objects.ts";
import { createPod, deleteStray, expectPodGone } from "./pods.ts";

/** The kinds that we write, and where it is told. */
export interface Actor {
  readonly devices: Resource<WhatsAppDevice>;
  readonly pools: Resource<EgressPool>;
  readonly endpoints: Resource<EgressEndpoint>;
  readonly pods: Resource<PodFacts>;
  readonly events: Pick<EventRecorder, "record">;
  readonly logger: ActLog;
}

/** What an action led to, for the memory of the process. */
export type Outcome =
  | { readonly kind: "Done" }
  | { readonly kind: "PodCreated"; readonly pod: PodFacts }
  /** A pod of that name exists; ours if it carries the nonce. */
  | { readonly kind: "PodNameTaken"; readonly pod: PodFacts | undefined }
  /** The API server refuses it for now; the memory has its words. `isNews`: others than before. */
  | { readonly kind: "Refused"; readonly isNews: boolean }
  | { readonly kind: "PodEnded"; readonly key: string };

const done: Outcome = { kind: "Done" };

/** One call to the API server, which the log names first. @throws what the call throws. */
export async function perform(action: Action, actor: Actor): Promise<Outcome> {
  announce(action, actor.logger);
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
    case "DeleteStray":
      await deleteStray(action, actor);
      return done;
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

async function createEndpoint(
  { namespace, name, labels, spec }: ActionOf<"CreateEndpoint">,
  actor: Actor,
): Promise<void> {
  try {
    await createOnce(actor.endpoints, { metadata: { namespace, name, labels }, spec });
  } catch (error) {
    // The namespace's end reached the API server before it reached our mirror.
    if (!isNamespaceTerminating(error)) throw error;
  }
}

/** Labels that are wanted no more become null, which removes them. */
async function relabel({ target, labels }: ActionOf<"SetEndpointLabels">, actor: Actor): Promise<void> {
  const found = await actor.endpoints.get(target);
  const unwanted = Object.keys(found?.metadata.labels ?? {}).filter((key) => labels[key] === undefined);
  await setLabels(actor.endpoints, target, { ...Object.fromEntries(unwanted.map((key) => [key, null])), ...labels });
}
