import type { Registry } from "prom-client";
import type { Logger } from "pino";
import { EventRecorder } from "../act/events.ts";
import type { Actor } from "../act/perform.ts";
import type { Links } from "../hub/links.ts";
import { isNamespaceTerminating } from "../kube/api-error.ts";
import { doubting } from "../kube/doubting.ts";
import type { KubeMetrics } from "../kube/metrics.ts";
import { WorkQueue } from "../kube/queue.ts";
import { resource } from "../kube/resource.ts";
import type { Transport } from "../kube/transport.ts";
import { startWorkers, type Reconciled, type Workers } from "../kube/workers.ts";
import { createOperatorMetrics, type Census } from "../observe/metrics.ts";
import type { Settings, World } from "../plan/world.ts";
import { deviceKind, endpointKind, podKind, poolKind } from "../world/kinds.ts";
import { OperatorMemory } from "../world/memory.ts";
import { startMirror, type Mirror, type OnChange } from "../world/mirror.ts";
import { View } from "../world/view.ts";
import { wallAndMonotonic, type Context, type Queues } from "./context.ts";
import { reconcileDevice } from "./devices.ts";
import { reconcileEndpoint } from "./endpoints.ts";
import { OneAtATime } from "../kube/one-at-a-time.ts";
import { reconcilePool } from "./pools.ts";
import { Waker } from "./wake.ts";

export interface OperatorOptions {
  readonly transport: Transport;
  readonly kubeMetrics: KubeMetrics;
  readonly registry: Registry;
  readonly logger: Logger;
  readonly links: Links;
  /** Prefix of every key in the store. */
  readonly installation: string;
  /** Name of the operator's own pod, for Events. */
  readonly podName: string;
  readonly isLeading: () => boolean;
}

/** What only a leader knows. */
interface Leadership {
  readonly settings: Settings;
  readonly masterKey: Uint8Array;
}

/** The three controllers over their mirror. Warm from the start; they work once {@link Operator.lead} is called. */
export interface Operator extends AsyncDisposable {
  readonly mirror: Mirror;
  readonly view: View;
  /** Call it after {@link Mirror.hasSynced}. */
  lead(leadership: Leadership): void;
}

/** Everything is looked at again in this time, a little at a time: a lost event costs no more than that. */
const resyncMs = 10 * 60_000;

export function startOperator(options: OperatorOptions): Operator {
  const { logger, kubeMetrics, links, transport } = options;
  const queues = queuesOf(kubeMetrics);
  const leader = new LeaderState();
  const waker = new Waker(queues, () => (mirror.hasSynced ? view.snapshot() : undefined));
  const onChange: OnChange = (kind, change, isFromList) => {
    view.changed(kind, change);
    waker.changed(kind, change, isFromList);
  };
  const mirror = startMirror({ transport, metrics: kubeMetrics, logger }, onChange, () => {
    view.forgetWritten();
  });
  const view = new View({
    mirror,
    links,
    memory: new OperatorMemory(),
    settings: () => leader.settings,
    leaderSinceMs: () => leader.sinceMs,
  });
  links.onChange((change) => {
    waker.linked(change);
  });
  const events = recorderOf(options);
  const census = () => censusOf(mirror.hasSynced ? view.snapshot() : undefined);
  const context: Context = {
    view,
    queues,
    logger,
    metrics: createOperatorMetrics(options.registry, census),
    clock: wallAndMonotonic,
    isLeading: options.isLeading,
    seats: new OneAtATime(),
    actor: actorOf(options, mirror, events),
  };
  const work = new Work(context, options);
  return {
    mirror,
    view,
    lead: (leadership) => {
      leader.begin(leadership);
      view.touch();
      work.begin(leadership);
    },
    [Symbol.asyncDispose]: async () => {
      await work.stop();
      await mirror[Symbol.asyncDispose]();
      await events.flush();
    },
  };
}

const queuesOf = (metrics: KubeMetrics): Queues => ({
  devices: new WorkQueue({ name: "device", metrics }),
  pools: new WorkQueue({ name: "pool", metrics }),
  endpoints: new WorkQueue({ name: "endpoint", metrics }),
});

const recorderOf = ({ transport, podName, logger }: OperatorOptions): EventRecorder =>
  new EventRecorder({
    transport,
    controller: "whatsapp-operator.io/operator",
    instance: podName,
    onFailed: (error) => {
      // Objects of a namespace on its way out have nobody left to tell.
      if (!isNamespaceTerminating(error)) logger.warn({ err: error }, "event not written");
    },
  });

const actorOf = ({ transport, logger }: OperatorOptions, mirror: Mirror, events: EventRecorder): Actor => ({
  devices: doubting(resource(transport, deviceKind), mirror.devices),
  pools: doubting(resource(transport, poolKind), mirror.pools),
  endpoints: doubting(resource(transport, endpointKind), mirror.endpoints),
  pods: doubting(resource(transport, podKind), mirror.pods),
  events,
  logger,
});

/** Set once, when this process begins to lead. */
class LeaderState {
  #leadership: Leadership | undefined;
  #sinceMs = 0;

  begin(leadership: Leadership): void {
    this.#leadership = leadership;
    this.#sinceMs = performance.now();
  }

  get sinceMs(): number {
    return this.#sinceMs;
  }

  get settings(): Settings {
    return this.#leadership?.settings ?? standbySettings;
  }
}

/** A standby plans nothing; its snapshot feeds metrics alone. */
const standbySettings: Settings = {
  sessionImage: "",
  imagePullPolicy: "IfNotPresent",
  imagePullSecrets: [],
  hubUrl: "",
  hubCaPem: "",
  sessionLogLevel: "info",
  clientVersion: "",
};

const concurrency = { devices: 8, pools: 2, endpoints: 4 } as const;

/** The workers of all three queues, and the slow second look at everything. */
class Work {
  readonly #context: Context;
  readonly #options: OperatorOptions;
  #workers: readonly Workers[] = [];
  #resync: NodeJS.Timeout | undefined;

  constructor(context: Context, options: OperatorOptions) {
    this.#context = context;
    this.#options = options;
  }

  begin({ masterKey }: Leadership): void {
    const { queues, view } = this.#context;
    const { kubeMetrics: metrics, logger, links, installation } = this.#options;
    const context = { ...this.#context, links, installation, masterKey: () => masterKey };
    const start = (
      controller: string,
      queue: WorkQueue,
      limit: number,
      reconcile: (key: string) => Promise<Reconciled>,
    ) => startWorkers({ controller, queue, concurrency: limit, reconcile, metrics, logger });
    this.#workers = [
      start("pool", queues.pools, concurrency.pools, async (key) => await reconcilePool(key, context)),
      start("endpoint", queues.endpoints, concurrency.endpoints, async (key) => await reconcileEndpoint(key, context)),
      start("device", queues.devices, concurrency.devices, async (key) => await reconcileDevice(key, context)),
    ];
    this.#resync = setInterval(() => {
      lookAtAll(queues, view.snapshot());
    }, resyncMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.#resync);
    await Promise.all(this.#workers.map(async (workers) => await workers.stop()));
  }
}

function lookAtAll({ devices, pools, endpoints }: Queues, world: World): void {
  for (const key of world.pools.keys()) pools.add(key, "Low");
  for (const key of world.endpoints.keys()) endpoints.add(key, "Low");
  for (const key of world.devices.keys()) devices.add(key, "Low");
}

function censusOf(world: World | undefined): Census {
  const links = [...(world?.links.values() ?? [])];
  return {
    devicePhases: [...(world?.devices.values() ?? [])].map(({ status }) => status.phase ?? "Pending"),
    endpointPhases: [...(world?.endpoints.values() ?? [])].map(({ status }) => status.phase ?? "Pending"),
    sessionStates: links
      .filter(({ isConnected }) => isConnected)
      .flatMap(({ sessions }) => [...sessions.values()].map(({ state }) => state)),
    linkedPods: links.filter(({ isConnected }) => isConnected).length,
  };
}
