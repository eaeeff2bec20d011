import { table } from "@wa/schema/generate";
import { createHubMetrics } from "../operator/src/hub/metrics.ts";
import { createKubeMetrics } from "../operator/src/kube/metrics.ts";
import { createOperatorMetrics, createRegistry } from "../operator/src/observe/metrics.ts";
import { PodMetrics } from "../session-pod/src/observe/metrics.ts";

/** A metric of prom-client; its types leave the names of the labels out. */
interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type?: unknown;
  readonly labelNames?: unknown;
}

const intro = `Both serve \`/metrics\` as Prometheus text on port 8080: the operator behind the Service \`<release>-metrics\`, each session pod on its
own address. No label holds the name of a device, the address of a way out or a phone number: what concerns one device stands in its status.`;

/** docs/reference/metrics.md, from the registries that the processes fill. */
export function metricsReference(): string {
  return `${[
    "<!-- Generated from the code's definitions by `make generate`; edit there. -->",
    "# Metrics",
    intro,
    "## Operator",
    "The names without `whatsapp_` are those of controller-runtime and client-go, so that their dashboards and alerts work here.",
    metricsTable(operatorMetrics()),
    "## Session pod",
    metricsTable(podMetrics()),
  ].join("\n\n")}\n`;
}

function operatorMetrics(): readonly Metric[] {
  const registry = createRegistry();
  createKubeMetrics(registry);
  createHubMetrics(registry);
  createOperatorMetrics(registry, () => ({ devicePhases: [], endpointPhases: [], sessionStates: [], linkedPods: 0 }));
  return registry.getMetricsAsArray();
}

function podMetrics(): readonly Metric[] {
  const metrics = new PodMetrics(() => ({}));
  metrics.close();
  return metrics.registry.getMetricsAsArray();
}

function metricsTable(metrics: readonly Metric[]): string {
  const rows = metrics
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((metric) => [`\`${metric.name}\``, String(metric.type), labelsOf(metric), meaningOf(metric)]);
  return table(["Metric", "Type", "Labels", "Meaning"], rows);
}

function labelsOf({ name, labelNames }: Metric): string {
  if (!Array.isArray(labelNames)) throw new Error(`metric ${name}: prom-client tells its labels otherwise now`);
  return labelNames.map((label) => `\`${String(label)}\``).join(", ");
}

function meaningOf({ name, help }: Metric): string {
  if (help.trim() === "") throw new Error(`metric ${name} has no help`);
  return help;
}
