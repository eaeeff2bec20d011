import { setTimeout as delay } from "node:timers/promises";
import type { Transport } from "../../operator/src/kube/transport.ts";
import { readSamples, sumOf, type Sample } from "../src/prometheus.ts";
import type { Row } from "../src/result.ts";
import { Fleet, namesOf } from "../stage/fleet.ts";
import { install } from "../stage/installation.ts";
import type { Measurement } from "../stage/measurement.ts";
import { rowOf } from "../stage/rows.ts";
import { say } from "../stage/say.ts";
import { cpuSecondsOf, memoryOf } from "../stage/usage.ts";

const devices = 50;
const settleMs = 15_000;
const watchedMs = 5 * 60_000;
const writes: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH", "DELETE", "APPLY"]);

export const idleWrites: Measurement = {
  title: "The operator at rest: writes to the API server",
  how: `Fifty connected idle devices in five session pods, for five minutes. Counted by the API server itself
(\`apiserver_request_total\`), whoever wrote; nobody else writes here. Leases are counted apart: the operator renews its own every
two seconds, the API server its own every ten.`,
  measure,
};

async function measure(): Promise<readonly Row[]> {
  await using installation = await install();
  const { transport } = installation.server;
  installation.runPods();
  await using fleet = await Fleet.start({ ...installation, transport, maxDevicesPerPod: 10 });
  say("fifty devices");
  await fleet.link(namesOf("device", devices));
  await delay(settleMs);
  say("five minutes of rest");
  const { pid } = installation.operator;
  const [before, cpuBeforeS] = [await requestsOf(transport), await cpuSecondsOf(pid)];
  await delay(watchedMs);
  const [after, cpuAfterS] = [await requestsOf(transport), await cpuSecondsOf(pid)];
  const grown = growth(before, after);
  const others = [...grown].filter(([key]) => !key.endsWith(" leases"));
  const sum = (found: readonly (readonly [string, number])[]): number =>
    found.reduce((all, [, count]) => all + count, 0);
  const cause = `written were ${others.map(([key, count]) => `${key} ${count} times`).join(", ")}`;
  return [
    rowOf("writes in 5 minutes, leases aside, 50 connected idle devices", {
      unit: "writes",
      samples: [sum(others)],
      goals: [{ of: "max", atMost: 0 }],
      cause,
    }),
    rowOf("writes of leases in the same time", {
      unit: "writes",
      samples: [sum([...grown].filter(([key]) => key.endsWith(" leases")))],
    }),
    rowOf("the operator's CPU in the same time", {
      unit: "% of a core",
      samples: [((cpuAfterS - cpuBeforeS) / watchedMs) * 100_000],
    }),
    rowOf("the operator's resident memory after it", { unit: "MB", samples: [(await memoryOf(pid)).nowMB] }),
  ];
}

async function requestsOf(transport: Transport): Promise<readonly Sample[]> {
  // Prometheus text is no JSON, and comes as it is.
  const page = await transport.call({ method: "GET", path: "/metrics" });
  if (typeof page !== "string") throw new Error("the API server's metrics are no text");
  return readSamples(page);
}

/** Writes by verb and resource that were made between two looks. */
function growth(before: readonly Sample[], after: readonly Sample[]): ReadonlyMap<string, number> {
  const name = "apiserver_request_total";
  const keys = after
    .filter((sample) => sample.name === name && writes.has(sample.labels["verb"] ?? ""))
    .map(({ labels: { verb = "", resource = "" } }) => ({ verb, resource }));
  const found = new Map<string, number>();
  for (const { verb, resource } of keys) {
    const count = sumOf(after, name, { verb, resource }) - sumOf(before, name, { verb, resource });
    if (count > 0) found.set(`${verb} ${resource}`, count);
  }
  return found;
}
