import { ApiError, isNotFound } from "./api-error.ts";
import { apiVersionOf, collectionPath, objectPath, type Kind } from "./kind.ts";
import { isRawObject, isRecord, type ObjectName, type RawObject } from "./object.ts";
import type { ApiCall, Transport } from "./transport.ts";

/** An object to create; `apiVersion` and `kind` are filled in from the kind. */
export interface NewObject {
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly [field: string]: unknown };
  readonly [field: string]: unknown;
}

export interface ListOptions {
  /** Empty: all namespaces. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

/** The calls that we make on one kind. All throw {@link ApiError}; see its predicates. */
export interface Resource<T> {
  readonly kind: Kind<T>;
  /** undefined when there is none. */
  get(name: ObjectName, options?: CallOptions): Promise<T | undefined>;
  /** All pages, parsed. */
  list(options?: ListOptions): Promise<readonly T[]>;
  create(object: NewObject, options?: CallOptions): Promise<T>;
  /** Deletes only the object that has this UID. False: it is gone, another one has its name, or it was written since. */
  delete(name: ObjectName, options: DeleteOptions): Promise<boolean>;
  /** Carry `metadata.resourceVersion` to have it refused when somebody wrote meanwhile. */
  mergePatch(name: ObjectName, patch: unknown, options?: CallOptions): Promise<T>;
  /** Merge-patches `.status`. The resourceVersion makes it a conflict when somebody wrote since it was read. */
  patchStatus(name: ObjectName, resourceVersion: string, status: unknown): Promise<T>;
  /** Replaces the whole object, which must carry its resourceVersion. */
  replace(object: NewObject, options?: CallOptions): Promise<T>;
}

type CallOptions = Pick<ApiCall, "deadlineMs" | "signal">;

interface DeleteOptions {
  readonly uid: string;
  /** Only this version of it. */
  readonly resourceVersion?: string;
  readonly gracePeriodSeconds?: number;
}

const mergePatchType = "application/merge-patch+json";

export function resource<T>(transport: Transport, kind: Kind<T>): Resource<T> {
  const patch = async (call: Omit<ApiCall, "method">): Promise<T> =>
    kind.parse(await transport.call({ ...call, method: "PATCH" }));
  const nameIn = ({ metadata }: NewObject): ObjectName => ({
    namespace: metadata.namespace ?? "",
    name: metadata.name,
  });
  const typed = (object: NewObject) => ({ ...object, apiVersion: apiVersionOf(kind), kind: kind.kind });
  return {
    kind,
    get: async (name, options = {}) =>
      await undefinedIfGone(async () =>
        kind.parse(await transport.call({ ...options, method: "GET", path: objectPath(kind, name) })),
      ),
    list: async (options = {}) => (await listRaw(transport, kind, options)).items.map((item) => kind.parse(item)),
    create: async (object, options = {}) => {
      const path = collectionPath(kind, nameIn(object).namespace);
      return kind.parse(await transport.call({ ...options, method: "POST", path, body: typed(object) }));
    },
    replace: async (object, options = {}) => {
      const path = objectPath(kind, nameIn(object));
      return kind.parse(await transport.call({ ...options, method: "PUT", path, body: typed(object) }));
    },
    delete: async (name, options) => await deleteByUid(transport, objectPath(kind, name), options),
    mergePatch: async (name, body, options = {}) =>
      await patch({ ...options, path: objectPath(kind, name), contentType: mergePatchType, body }),
    patchStatus: async (name, resourceVersion, status) =>
      await patch({
        path: `${objectPath(kind, name)}/status`,
        contentType: mergePatchType,
        body: { metadata: { resourceVersion }, status },
      }),
  };
}

async function undefinedIfGone<T>(call: () => Promise<T>): Promise<T | undefined> {
  try {
    return await call();
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

async function deleteByUid(
  transport: Transport,
  path: string,
  { gracePeriodSeconds, ...preconditions }: DeleteOptions,
): Promise<boolean> {
  const body = {
    apiVersion: "v1",
    kind: "DeleteOptions",
    preconditions,
    propagationPolicy: "Background",
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
  };
  try {
    await transport.call({ method: "DELETE", path, body });
    return true;
  } catch (error) {
    if (isNotFound(error) || isAnother(error)) return false;
    throw error;
  }
}

function isAnother(error: unknown): boolean {
  return (
    error instanceof ApiError && error.status === 409 && /(uid|resourceversion) in .*precondition/i.test(error.message)
  );
}

/** A page of 500 objects is about 2 MB of pods: enough to keep pages few, small enough not to stall the event loop. */
const pageSize = 500;

export interface RawList {
  readonly items: readonly RawObject[];
  /** Where a watch goes on from. */
  readonly resourceVersion: string;
}

/** Every page of a list, raw, with the resourceVersion of its first page, at which all pages are consistent. */
export async function listRaw(
  transport: Transport,
  kind: Kind<unknown>,
  options: ListOptions,
  signal?: AbortSignal,
): Promise<RawList> {
  const items: RawObject[] = [];
  const path = collectionPath(kind, options.namespace ?? "");
  const query: Record<string, string> = { limit: String(pageSize), ...selectors(options) };
  for (;;) {
    const page = await transport.call({ method: "GET", path, query, ...(signal === undefined ? {} : { signal }) });
    const { found, resourceVersion, next } = pageOf(page);
    items.push(...found);
    if (next === "") return { items, resourceVersion };
    query["continue"] = next;
  }
}

export function selectors({ labelSelector, fieldSelector }: ListOptions): Record<string, string> {
  return {
    ...(labelSelector === undefined ? {} : { labelSelector }),
    ...(fieldSelector === undefined ? {} : { fieldSelector }),
  };
}

/** One page of a list. */
export function pageOf(page: unknown): { found: readonly RawObject[]; resourceVersion: string; next: string } {
  if (!isRecord(page) || !Array.isArray(page["items"]) || !isRecord(page["metadata"]))
    throw new TypeError("the API server's list has no items or metadata");
  const { resourceVersion, continue: next } = page["metadata"];
  return {
    found: page["items"].filter(isRawObject),
    resourceVersion: typeof resourceVersion === "string" ? resourceVersion : "",
    next: typeof next === "string" ? next : "",
  };
}
