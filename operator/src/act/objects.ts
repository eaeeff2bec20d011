import { isAlreadyExists } from "../kube/api-error.ts";
import type { ObjectName } from "../kube/object.ts";
import { pointer } from "../kube/patch.ts";
import type { NewObject, Resource } from "../kube/resource.ts";

/** One version of one object: writes that name it are refused when it has changed or another one has its name. */
export interface ObjectVersion extends ObjectName {
  readonly uid: string;
  readonly resourceVersion: string;
}

/** `NameTaken`: an object of that name exists already, ours from a call whose answer was lost, or a foreign one. */
export type Created<T> =
  | { readonly kind: "Created"; readonly object: T }
  | { readonly kind: "NameTaken"; readonly object: T | undefined };

/** Creates an object under its deterministic name; a taken name is an answer here, because a stale cache asks twice. */
export async function createOnce<T>(resource: Resource<T>, object: NewObject): Promise<Created<T>> {
  try {
    return { kind: "Created", object: await resource.create(object) };
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    const { name, namespace = "" } = object.metadata;
    return { kind: "NameTaken", object: await resource.get({ namespace, name }) };
  }
}

/** Replaces the whole list of finalizers. @throws a conflict when the object changed since it was read. */
export async function setFinalizers<T>(
  resource: Resource<T>,
  target: ObjectVersion,
  finalizers: readonly string[],
): Promise<T> {
  return await resource.jsonPatch(target, [
    ...unchanged(target),
    { op: "add", path: pointer("metadata", "finalizers"), value: finalizers },
  ]);
}

/** Sets these labels and leaves others alone. @throws a conflict when the object changed since it was read. */
export async function setLabels<T>(
  resource: Resource<T>,
  target: ObjectVersion,
  labels: Readonly<Record<string, string | null>>,
): Promise<T> {
  const { resourceVersion } = target;
  return await resource.mergePatch(target, { metadata: { resourceVersion, labels } });
}

/** The uid goes first: a merge patch ignores it silently, a json-patch test does not. */
function unchanged({ uid, resourceVersion }: ObjectVersion) {
  return [
    { op: "test" as const, path: pointer("metadata", "uid"), value: uid },
    { op: "test" as const, path: pointer("metadata", "resourceVersion"), value: resourceVersion },
  ];
}
