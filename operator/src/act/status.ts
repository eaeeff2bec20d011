import type { ObjectName } from "../kube/object.ts";
import { mergePatchBetween } from "../kube/patch.ts";
import type { Resource } from "../kube/resource.ts";

/** An object as it was read when its next status was decided. */
export interface Found {
  readonly metadata: ObjectName & { readonly resourceVersion: string };
  readonly status: object;
}

/**
 * Writes the difference between the status found and the next one; fields that are gone are removed, lists are written
 * whole. No difference, no call: a heartbeat in status would wake every watcher for nothing.
 * @throws a conflict ({@link isConflict}) when somebody wrote since `found` was read: decide again from a fresh read.
 */
export async function writeStatus(
  resource: Pick<Resource<unknown>, "patchStatus">,
  { metadata, status }: Found,
  next: object,
): Promise<"Unchanged" | "Written"> {
  const patch = mergePatchBetween(status, next);
  if (patch === undefined) return "Unchanged";
  await resource.patchStatus(metadata, metadata.resourceVersion, patch);
  return "Written";
}
