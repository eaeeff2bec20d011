import type { EgressEndpoint, EgressPool, WhatsAppDevice } from "@wa/schema";
import type { Links } from "../hub/links.ts";
import type { Informer } from "../kube/informer.ts";
import { isOlderVersion, type ObjectName } from "../kube/object.ts";
import type { Change } from "../kube/store.ts";
import { indexed, keyOf, type PodFacts, type Settings, type World } from "../plan/world.ts";
import { Fresh } from "./fresh.ts";
import type { OperatorMemory } from "./memory.ts";
import type { Mirror, Watched } from "./mirror.ts";

export interface ViewSources {
  readonly mirror: Mirror;
  readonly links: Pick<Links, "pods">;
  readonly memory: OperatorMemory;
  readonly settings: () => Settings;
  readonly leaderSinceMs: () => number;
}

interface Written {
  readonly metadata: ObjectName & { readonly resourceVersion: string };
}

/** The read side: a snapshot of plain values for the plans, made anew only after something changed. */
export class View {
  readonly #sources: ViewSources;
  readonly #devices = new Fresh<WhatsAppDevice>();
  readonly #pools = new Fresh<EgressPool>();
  readonly #endpoints = new Fresh<EgressEndpoint>();
  #snapshot: World | undefined;

  constructor(sources: ViewSources) {
    this.#sources = sources;
  }

  get memory(): OperatorMemory {
    return this.#sources.memory;
  }

  /** Links are read each time: when a pod was last heard changes without an event. */
  snapshot(): World {
    this.#snapshot ??= this.#build();
    return { ...this.#snapshot, links: this.#sources.links.pods() };
  }

  /** A mirror, link or memory has changed. */
  touch(): void {
    this.#snapshot = undefined;
  }

  changed(kind: Watched, change: Change): void {
    if (kind === "device") this.#devices.confirm(change);
    if (kind === "pool") this.#pools.confirm(change);
    if (kind === "endpoint") this.#endpoints.confirm(change);
    this.touch();
  }

  /** History went back: what was written since is not written any more. */
  forgetWritten(): void {
    for (const fresh of [this.#devices, this.#pools, this.#endpoints]) fresh.clear();
    this.touch();
  }

  wroteDevice(device: WhatsAppDevice): void {
    this.#wrote(device, this.#devices, this.#sources.mirror.devices);
  }

  wrotePool(pool: EgressPool): void {
    this.#wrote(pool, this.#pools, this.#sources.mirror.pools);
  }

  wroteEndpoint(endpoint: EgressEndpoint): void {
    this.#wrote(endpoint, this.#endpoints, this.#sources.mirror.endpoints);
  }

  /** The mirror has this very pod, and will say when it goes. */
  isMirrored({ namespace, name, uid }: PodFacts): boolean {
    return this.#sources.mirror.pods.raw({ namespace, name })?.metadata.uid === uid;
  }

  /** An answer may come after the events that followed it: what the mirror has by then is newer, or gone. */
  #wrote<T extends Written>(written: T, fresh: Fresh<T>, mirror: Informer<unknown>): void {
    const mirrored = mirror.raw(written.metadata)?.metadata.resourceVersion;
    const { resourceVersion } = written.metadata;
    if (mirrored === undefined || !isOlderVersion(mirrored, resourceVersion)) return;
    fresh.put(keyOf(written.metadata), written, resourceVersion);
    this.touch();
  }

  #build(): World {
    const { mirror, links, memory, settings, leaderSinceMs } = this.#sources;
    const named = (list: readonly ({ readonly name: string; readonly isTerminating: boolean } | undefined)[]) =>
      new Set(list.filter((item) => item?.isTerminating === true).flatMap((item) => item?.name ?? []));
    const pods = merged(mirror.pods.list(), [], keyOf);
    for (const [key, pod] of memory.foreignPods) if (!pods.has(key)) pods.set(key, pod);
    return indexed({
      settings: settings(),
      leaderSinceMs: leaderSinceMs(),
      devices: merged(mirror.devices.list(), this.#devices.entries(), metaKey),
      pools: merged(mirror.pools.list(), this.#pools.entries(), metaKey),
      endpoints: merged(mirror.endpoints.list(), this.#endpoints.entries(), metaKey),
      pods,
      nodes: merged(mirror.nodes.list(), [], ({ name }) => name),
      links: links.pods(),
      terminating: {
        namespaces: named(mirror.namespaces.list()),
        crds: new Set(
          [...named(mirror.crds.flatMap((informer) => informer.list()))].map((name) => name.split(".")[0] ?? ""),
        ),
      },
      memory,
    });
  }
}

const metaKey = ({ metadata }: { readonly metadata: { readonly namespace: string; readonly name: string } }): string =>
  keyOf(metadata);

function merged<T>(
  found: readonly (T | undefined)[],
  fresh: readonly (readonly [string, T])[],
  key: (item: T) => string,
): Map<string, T> {
  const all = new Map<string, T>();
  for (const item of found) if (item !== undefined) all.set(key(item), item);
  for (const [name, item] of fresh) all.set(name, item);
  return all;
}
