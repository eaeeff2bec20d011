import { buckets } from "@wa/schema";
import { Counter, type Registry } from "prom-client";

export type HubMetrics = ReturnType<typeof createHubMetrics>;

/** What the hub counts. Links that stand now are counted with the operator's other gauges. */
export function createHubMetrics(registry: Registry) {
  const registers = [registry];
  const frames = new Counter({
    name: "whatsapp_link_frames_total",
    help: "Frames on the links by direction and kind.",
    labelNames: ["direction", "kind"],
    registers,
  });
  const refusals = new Counter({
    name: "whatsapp_link_refusals_total",
    help: "Dials and frames that the hub refused, by reason.",
    labelNames: ["reason"],
    registers,
  });
  const grants = new Counter({
    name: "whatsapp_grants_total",
    help: "Starts granted out of the ledgers, by bucket.",
    labelNames: ["bucket"],
    registers,
  });
  for (const bucket of buckets) grants.inc({ bucket }, 0);
  return { frames, refusals, grants };
}
