import type { EgressEndpoint, EgressPool, WhatsAppDevice } from "@wa/schema";
import { labels, labelValues } from "@wa/schema";
import { startInformer, type Informer } from "../kube/informer.ts";
import type { Kind } from "../kube/kind.ts";
import type { ReflectorOptions } from "../kube/reflector.ts";
import type { ListOptions } from "../kube/resource.ts";
import type { Change } from "../kube/store.ts";
import type { NodeFacts, PodFacts } from "../plan/world.ts";
import {
  crdKind,
  deviceKind,
  endpointKind,
  namespaceKind,
  nodeKind,
  podKind,
  poolKind,
  tolerant,
  type Going,
} from "./kinds.ts";

/** Which mirror a change is of. */
export type Watched = "device" | "pool" | "endpoint" | "pod" | "node" | "namespace" | "crd";

export type OnChange = (kind: Watched, change: Change, isFromList: boolean) => void;

/** The cluster as last seen: one informer a kind. */
export interface Mirror extends AsyncDisposable {
  readonly devices: Informer<WhatsAppDevice | undefined>;
  readonly pools: Informer<EgressPool | undefined>;
  readonly endpoints: Informer<EgressEndpoint | undefined>;
  readonly pods: Informer<PodFacts | undefined>;
  readonly nodes: Informer<NodeFacts | undefined>;
  readonly namespaces: Informer<Going | undefined>;
  readonly crds: readonly Informer<Going | undefined>[];
  /** Every first list has arrived: before that, a missing node would look like a deleted one. */
  readonly hasSynced: boolean;
  /** The longest silence of a mirror, in milliseconds: for the liveness probe. */
  readonly silentForMs: number;
}

type Shared = Pick<ReflectorOptions, "transport" | "metrics" | "logger">;

/** @param onHistoryBack what this process has read and written may be of a future that never was; all kinds are listed again. */
export function startMirror(shared: Shared, onChange: OnChange, onHistoryBack: () => void): Mirror {
  const { logger } = shared;
  const start = <T>(watched: Watched, kind: Kind<T>, selection: ListOptions = {}): Informer<T | undefined> =>
    startInformer({
      ...shared,
      selection,
      kind: tolerant(kind, (error) => {
        logger.error({ kind: kind.kind, err: error }, "object ignored, it does not fit its schema");
      }),
      onChange: (change, isFromList) => {
        onChange(watched, change, isFromList);
      },
      onHistoryBack: () => {
        for (const informer of all) informer.listAgain();
        onHistoryBack();
      },
    });
  const mirror = {
    devices: start("device", deviceKind),
    pools: start("pool", poolKind),
    endpoints: start("endpoint", endpointKind),
    pods: start("pod", podKind, { labelSelector: `${labels.component}=${labelValues.sessionPod}` }),
    nodes: start("node", nodeKind),
    namespaces: start("namespace", namespaceKind),
    // One watch a name: the CRDs of the whole cluster would be megabytes that nobody reads.
    crds: [deviceKind, poolKind].map(({ plural, group }) =>
      start("crd", crdKind, { fieldSelector: `metadata.name=${plural}.${group}` }),
    ),
  };
  const { crds, ...single } = mirror;
  const all: readonly Informer<unknown>[] = [...Object.values(single), ...crds];
  return {
    ...mirror,
    get hasSynced() {
      return all.every(({ hasSynced }) => hasSynced);
    },
    get silentForMs() {
      return Math.max(...all.map(({ silentForMs }) => silentForMs));
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(all.map(async (informer) => await informer.stop()));
    },
  };
}
