import { isConflict } from "./api-error.ts";
import type { Informer } from "./informer.ts";
import { isOlderVersion, isRecord } from "./object.ts";
import type { Resource } from "./resource.ts";

/**
 * The resource, held against its mirror: a conflict says that the mirror is behind or in another history, and what is created now cannot be
 * older than what the mirror has. Either makes the mirror look.
 */
export function doubting<T>(resource: Resource<T>, mirror: Pick<Informer<unknown>, "version" | "doubt">): Resource<T> {
  const unlessConflict = async <R>(call: Promise<R>): Promise<R> => {
    try {
      return await call;
    } catch (error) {
      if (isConflict(error)) mirror.doubt();
      throw error;
    }
  };
  return {
    ...resource,
    create: async (...args) => {
      const before = mirror.version;
      const created = await unlessConflict(resource.create(...args));
      if (isOlderVersion(versionOf(created), before)) mirror.doubt();
      return created;
    },
    mergePatch: async (...args) => await unlessConflict(resource.mergePatch(...args)),
    patchStatus: async (...args) => await unlessConflict(resource.patchStatus(...args)),
  };
}

function versionOf(object: unknown): string {
  const metadata = isRecord(object) ? object["metadata"] : undefined;
  const version = isRecord(metadata) ? metadata["resourceVersion"] : undefined;
  return typeof version === "string" ? version : "";
}
