import { collectionPath, type Kind } from "./kind.ts";
import { isOlderVersion, type RawObject } from "./object.ts";
import { pageOf, selectors, type ListOptions } from "./resource.ts";
import type { Transport } from "./transport.ts";

/**
 * The API server tells of a past that a mirror is ahead of: etcd was put back to an older copy. A watch from a version of the lost future is
 * accepted and stays silent, so that nothing but this is a sign of it.
 */
export class HistoryWentBackError extends Error {
  override readonly name = "HistoryWentBackError";
  readonly seen: string;
  readonly found: string;

  constructor(seen: string, found: string) {
    super(`the API server's history went back: version ${seen} was seen, and now it is ${found}`);
    this.seen = seen;
    this.found = found;
  }
}

export interface Seen {
  /** Where the mirror stands. */
  readonly version: string;
  /** Its object that changed last. */
  readonly newest: RawObject | undefined;
}

/** A connection that went dead answers nothing; the next call dials anew. */
const deadlineMs = 5_000;

/**
 * Asks the API server, past all caches, for its newest version and for one object: neither can be older than what was seen before the question,
 * save in another history. The object tells also where that history has grown beyond ours, as with `--bump-revision`.
 * @throws {HistoryWentBackError}
 */
export async function compareHistory(
  transport: Transport,
  kind: Kind<unknown>,
  selection: ListOptions,
  { version, newest }: Seen,
): Promise<void> {
  const { path, query } = questionOf(kind, selection, newest);
  const answer = await transport.call({ method: "GET", path, query: { ...query, limit: "1" }, deadlineMs });
  const { found, resourceVersion } = pageOf(answer);
  mustNotBeOlder(resourceVersion, version);
  const now = found.find((object) => object.metadata.name === newest?.metadata.name);
  if (now !== undefined && newest !== undefined) mustNotBeOlder(versionOf(now), versionOf(newest));
}

function questionOf(kind: Kind<unknown>, selection: ListOptions, newest: RawObject | undefined) {
  if (newest === undefined)
    return { path: collectionPath(kind, selection.namespace ?? ""), query: selectors(selection) };
  const { name, namespace = "" } = newest.metadata;
  return { path: collectionPath(kind, namespace), query: { fieldSelector: `metadata.name=${name}` } };
}

function mustNotBeOlder(found: string, seen: string): void {
  if (isOlderVersion(found, seen)) throw new HistoryWentBackError(seen, found);
}

const versionOf = ({ metadata }: RawObject): string => metadata.resourceVersion ?? "";

/** The one with the highest version. */
export function newestOf(objects: Iterable<RawObject>): RawObject | undefined {
  let newest: RawObject | undefined;
  for (const object of objects)
    if (newest === undefined || isOlderVersion(versionOf(newest), versionOf(object))) newest = object;
  return newest;
}
