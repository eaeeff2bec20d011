import { Counter, Gauge, Histogram, type Registry } from "prom-client";

/** controller-runtime's metrics under its names, so that its dashboards and alerts work here. */
export type KubeMetrics = ReturnType<typeof createKubeMetrics>;

/** Buckets of client-go's work queue, in seconds. */
const queueBuckets = [1e-5, 1e-4, 1e-3, 0.01, 0.1, 1, 10, 100, 1000];
const reconcileBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export function createKubeMetrics(registry: Registry) {
  /** Called before each scrape, for values that age by themselves. */
  const collectors = new Set<() => void>();
  return {
    collectors,
    ...clientMetrics(registry),
    ...queueMetrics(registry, collectors),
    ...controllerMetrics(registry),
  };
}

function clientMetrics(registry: Registry) {
  const registers = [registry];
  return {
    restRequests: new Counter({
      name: "rest_client_requests_total",
      help: "Calls to the API server by HTTP code, method and host; code `<error>` means that no answer came.",
      labelNames: ["code", "method", "host"],
      registers,
    }),
    reflectorLists: new Counter({
      name: "reflector_lists_total",
      help: "Full lists made by a reflector.",
      labelNames: ["kind"],
      registers,
    }),
    reflectorWatches: new Counter({
      name: "reflector_watches_total",
      help: "Watches opened by a reflector.",
      labelNames: ["kind"],
      registers,
    }),
    reflectorRewinds: new Counter({
      name: "reflector_history_rewinds_total",
      help: "Times that the API server's history was found to have gone back, as after etcd was restored; everything is listed again.",
      labelNames: ["kind"],
      registers,
    }),
    reflectorLastProgress: new Gauge({
      name: "reflector_last_progress_timestamp_seconds",
      help: "When a list, event or bookmark last reached a reflector.",
      labelNames: ["kind"],
      registers,
    }),
    leaderStatus: new Gauge({
      name: "leader_election_master_status",
      help: "1 while this process holds the Lease.",
      labelNames: ["name"],
      registers,
    }),
  };
}

function queueMetrics(registry: Registry, collectors: ReadonlySet<() => void>) {
  const labelNames = ["name", "controller"] as const;
  const registers = [registry];
  return {
    queueDepth: new Gauge({ name: "workqueue_depth", help: "Keys that wait.", labelNames, registers }),
    queueAdds: new Counter({ name: "workqueue_adds_total", help: "Keys added.", labelNames, registers }),
    queueRetries: new Counter({
      name: "workqueue_retries_total",
      help: "Keys added again after a failure.",
      labelNames,
      registers,
    }),
    queueWait: new Histogram({
      name: "workqueue_queue_duration_seconds",
      help: "How long keys wait before they are processed.",
      labelNames,
      buckets: queueBuckets,
      registers,
    }),
    queueWork: new Histogram({
      name: "workqueue_work_duration_seconds",
      help: "How long processing a key takes.",
      labelNames,
      buckets: queueBuckets,
      registers,
    }),
    queueUnfinished: new Gauge({
      name: "workqueue_unfinished_work_seconds",
      help: "Seconds of work that are in progress, summed over the keys being processed.",
      labelNames,
      registers,
      collect: () => {
        for (const collect of collectors) collect();
      },
    }),
    queueLongest: new Gauge({
      name: "workqueue_longest_running_processor_seconds",
      help: "Age of the oldest key being processed.",
      labelNames,
      registers,
    }),
  };
}

function controllerMetrics(registry: Registry) {
  const registers = [registry];
  return {
    reconciles: new Counter({
      name: "controller_runtime_reconcile_total",
      help: "Reconciles by result.",
      labelNames: ["controller", "result"],
      registers,
    }),
    reconcileErrors: new Counter({
      name: "controller_runtime_reconcile_errors_total",
      help: "Reconciles that failed.",
      labelNames: ["controller"],
      registers,
    }),
    reconcileTime: new Histogram({
      name: "controller_runtime_reconcile_time_seconds",
      help: "How long a reconcile takes.",
      labelNames: ["controller"],
      buckets: reconcileBuckets,
      registers,
    }),
    maxConcurrent: new Gauge({
      name: "controller_runtime_max_concurrent_reconciles",
      help: "Most reconciles at once.",
      labelNames: ["controller"],
      registers,
    }),
    activeWorkers: new Gauge({
      name: "controller_runtime_active_workers",
      help: "Reconciles that run now.",
      labelNames: ["controller"],
      registers,
    }),
  };
}
