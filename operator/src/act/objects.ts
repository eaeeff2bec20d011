import { isAlreadyExists } from "../kube/api-error.ts";
import type { ObjectName } from "../kube/object.ts";
import type { NewObject, Resource } from "../kube/resource.ts";

/** One version of one object: writes that name it are refused when it has changed since. */
export interface ObjectVersion extends ObjectName {
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

/**
 * Replaces the whole list of finalizers. A resourceVersion is never used twice, so the patch meets this very object; a
 * json-patch with tests would be refused as well, but with a 422 that looks like an invalid object.
 * @throws a conflict when the object changed since it was read.
 */
export async function setFinalizers<T>(
  resource: Resource<T>,
  target: ObjectVersion,
  finalizers: readonly string[],
): Promise<T> {
  const { resourceVersion } = target;
  return await resource.mergePatch(target, { metadata: { resourceVersion, finalizers } });
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
