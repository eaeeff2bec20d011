import { isSame } from "../kube/patch.ts";
import type { ActionOf, Target } from "../plan/action.ts";
import { isPodOf, isStrayOf } from "../plan/pod-record.ts";
import { createOnce } from "./objects.ts";
import type { Actor, Outcome } from "./perform.ts";

/** A mirror said one thing and the API server says another: look again later. */
class StaleCacheError extends Error {
  override readonly name = "StaleCacheError";
}

/**
 * Under a record of the past, a pod would get the nonce of one that has come and gone: nobody's, for its record has the other's
 * UID by now. So the record is read past the mirror first; it is this process that writes it, and not meanwhile.
 */
export async function createPod(
  { pod, endpoint, record }: ActionOf<"CreatePod">,
  actor: Pick<Actor, "endpoints" | "pods">,
): Promise<Outcome> {
  const found = await theEndpoint(endpoint, actor);
  if (!found.status.pods.some((standing) => isSame(standing, record)))
    throw new StaleCacheError(`EgressEndpoint ${endpoint.name} waits for no pod ${record.name} any more`);
  const created = await createOnce(actor.pods, pod);
  return created.kind === "Created"
    ? { kind: "PodCreated", pod: created.object }
    : { kind: "PodNameTaken", pod: created.object };
}

export async function deleteStray(
  { pod, endpoint }: ActionOf<"DeleteStray">,
  actor: Pick<Actor, "endpoints" | "pods">,
): Promise<void> {
  const found = await theEndpoint(endpoint, actor);
  if (!isStrayOf(found, pod)) throw new StaleCacheError(`EgressEndpoint ${endpoint.name} has recorded pod ${pod.name}`);
  await actor.pods.delete(pod, { uid: pod.uid });
}

export async function expectPodGone(
  { namespace, record }: ActionOf<"ExpectPodGone">,
  { pods }: Pick<Actor, "pods">,
): Promise<void> {
  const pod = await pods.get({ namespace, name: record.name });
  if (pod !== undefined && isPodOf(record, pod))
    throw new StaleCacheError(`pod ${namespace}/${record.name} still exists`);
}

/** As the API server has it now. */
async function theEndpoint(target: Target, { endpoints }: Pick<Actor, "endpoints">) {
  const found = await endpoints.get(target);
  if (found?.metadata.uid === target.uid) return found;
  throw new StaleCacheError(`EgressEndpoint ${target.name} is gone`);
}
