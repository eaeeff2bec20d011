/**
 * An object as the API server sent it. Stores keep it raw, because parsing each watch event costs more than it gives and a
 * schema drops fields that it does not know; a reconcile parses what it dequeued ({@link Kind.parse}).
 */
export interface RawObject {
  readonly metadata: RawMetadata;
  readonly [field: string]: unknown;
}

interface RawMetadata {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly [field: string]: unknown;
}

/** Which object, in its kind; `namespace` is empty for cluster-scoped kinds. */
export interface ObjectName {
  readonly namespace: string;
  readonly name: string;
}

export type JsonRecord = Readonly<Record<string, unknown>>;

export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isRawObject(value: unknown): value is RawObject {
  return isRecord(value) && isRecord(value["metadata"]) && typeof value["metadata"]["name"] === "string";
}

/** `namespace/name`, or `name` of a cluster-scoped object: the key of stores and queues. */
export function keyOf({ namespace, name }: { readonly namespace?: string; readonly name: string }): string {
  return namespace === undefined || namespace === "" ? name : `${namespace}/${name}`;
}

/** Versions are opaque by contract and numbers in fact; an odd one is taken for newer. */
export function isOlderVersion(version: string, than: string): boolean {
  if (!/^[0-9]+$/.test(version) || !/^[0-9]+$/.test(than)) return false;
  return BigInt(version) < BigInt(than);
}

/** The reverse of {@link keyOf}. */
export function nameOf(key: string): ObjectName {
  const slash = key.indexOf("/");
  return slash < 0 ? { namespace: "", name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** The object without `managedFields`: a third of its size that nothing here reads. */
export function withoutManagedFields(object: RawObject): RawObject {
  const { managedFields: _dropped, ...metadata } = object.metadata;
  return { ...object, metadata };
}
