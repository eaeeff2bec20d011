import { keyOf, type RawObject } from "../src/kube/object.ts";
import { listRaw, type ListOptions } from "../src/kube/resource.ts";
import type { Change } from "../src/kube/store.ts";
import type { Kind } from "../src/kube/kind.ts";
import type { Transport } from "../src/kube/transport.ts";

/** Which version of which object a key holds, as `uid@resourceVersion`. */
export type Versions = Readonly<Record<string, string>>;

/** Judges what an informer tells: each object's life in order, nothing twice, nothing back in time. */
export class Told {
  /** Changes that contradict what was told before. */
  readonly contradictions: string[] = [];
  readonly #alive = new Map<string, RawObject["metadata"]>();
  count = 0;

  note({ kind, object: { metadata } }: Change): void {
    this.count += 1;
    const key = keyOf(metadata);
    const before = this.#alive.get(key);
    const wrong = contradiction(kind, metadata, before);
    if (wrong !== undefined) this.contradictions.push(`${kind} ${key} ${versionOf(metadata)}: ${wrong}`);
    if (kind === "Deleted") this.#alive.delete(key);
    else this.#alive.set(key, metadata);
  }

  /** What was added and not deleted since. */
  get alive(): Versions {
    return versionsOf([...this.#alive.values()].map((metadata) => ({ metadata })));
  }
}

function contradiction(
  kind: Change["kind"],
  now: RawObject["metadata"],
  before: RawObject["metadata"] | undefined,
): string | undefined {
  if (kind === "Added") return before === undefined ? undefined : "it is there already";
  if (before === undefined) return "it was not there";
  if (before.uid !== now.uid) return `there was ${versionOf(before)}`;
  const isNewer = BigInt(now.resourceVersion ?? 0) > BigInt(before.resourceVersion ?? 0);
  return kind === "Deleted" || isNewer ? undefined : `it was at ${versionOf(before)}`;
}

export const versionOf = ({ uid, resourceVersion }: RawObject["metadata"]): string => `${uid}@${resourceVersion}`;

export function versionsOf(objects: readonly RawObject[]): Versions {
  return Object.fromEntries(objects.map(({ metadata }) => [keyOf(metadata), versionOf(metadata)] as const));
}

/** What the API server itself says. */
export async function truth(transport: Transport, kind: Kind<unknown>, selection: ListOptions = {}): Promise<Versions> {
  return versionsOf((await listRaw(transport, kind, selection)).items);
}
