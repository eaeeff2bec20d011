import { setTimeout as delay } from "node:timers/promises";
import { listRaw } from "../../operator/src/kube/resource.ts";
import { deviceKind } from "../../operator/src/world/kinds.ts";
import { Shop } from "../../operator/test/cluster.ts";
import { StubPods } from "../../operator/test/stub-pods.ts";
import { readSamples, sumOf } from "../src/prometheus.ts";
import type { Row } from "../src/result.ts";
import { namesOf } from "../stage/fleet.ts";
import { install, type Installation } from "../stage/installation.ts";
import type { Measurement } from "../stage/measurement.ts";
import { repeated, rowOf, timed } from "../stage/rows.ts";
import { say } from "../stage/say.ts";
import { memoryOf } from "../stage/usage.ts";

const rounds = 20;
const endpoints = 10;
const perEndpoint = 100;
const devices = endpoints * perEndpoint;
const patienceMs = 240_000;
const pollMs = 50;

export const largeFleet: Measurement = {
  title: "An operator with 1,000 devices",
  how: `A real API server holds ten proxy members with a hundred devices each, and the operator is its image's compiled program. Ten stub
session pods speak the link's protocol over the real hub, with the session pod's own link and its random redial of up to 5 s, and
report every device that is assigned to them as connected. The operator is ended in order and started again. In sync: all lists read, the Lease held, all
ten pods linked, 1,000 sessions reported Connected, 1,000 devices Connected, each looked at since the start, and nothing waits in any queue, by the
operator's own metrics.`,
  measure,
};

async function measure(): Promise<readonly Row[]> {
  await using installation = await install();
  const { transport } = installation.server;
  const shop = new Shop(transport, installation.namespace);
  await using stubs = new StubPods(transport, installation.namespace, installation.hubUrl);
  await applyPool(shop);
  say("applying 1,000 devices");
  const names = namesOf("device", devices);
  const beganMs = performance.now();
  await inParallel(names, async (name) => await shop.applyDevice(name));
  const appliedMs = performance.now() - beganMs;
  await inSync(installation);
  const firstMs = performance.now() - beganMs;
  say(`${devices} devices connected for the first time ${(firstMs / 1_000).toFixed(1)} s after the first apply`);
  const restarts = await repeated(rounds, async () => {
    const { pid, startedMs } = await installation.restartOperator();
    await inSync(installation);
    const syncMs = performance.now() - startedMs;
    await delay(1_000);
    return { syncS: syncMs / 1_000, ...(await memoryOf(pid)) };
  });
  const list = await repeated(rounds, async () =>
    timed(async () => await listRaw(transport, deviceKind, { namespace: installation.namespace })),
  );
  if (stubs.faults.length > 0) throw new Error(`a stub pod failed: ${stubs.faults[0]}`);
  return [
    rowOf("operator starts → in sync with 1,000 devices", {
      unit: "s",
      samples: restarts.map(({ syncS }) => syncS),
      goals: [{ of: "p95", atMost: 10 }],
    }),
    rowOf("its resident memory a second later", {
      unit: "MB",
      samples: restarts.map(({ nowMB }) => nowMB),
      goals: [{ of: "max", atMost: 250 }],
      cause: "a thousand devices are read, parsed and reconciled at once, and what that leaves is not collected yet",
    }),
    rowOf("the most it ever had until then", { unit: "MB", samples: restarts.map(({ peakMB }) => peakMB) }),
    rowOf("1,000 devices that are new: first apply → all connected", { unit: "s", samples: [firstMs / 1_000] }),
    rowOf("of it, applying them all", { unit: "s", samples: [appliedMs / 1_000] }),
    rowOf("a bare list of the 1,000 devices", { unit: "ms", samples: list }),
  ];
}

async function applyPool(shop: Shop): Promise<void> {
  const members = Array.from({ length: endpoints }, (_, index) => ({
    name: `px-${index}`,
    proxy: { protocol: "socks5", host: "192.0.2.7", port: 1_080 + index },
    capacity: { maxSessions: perEndpoint },
  }));
  await shop.applyPool({ members, sessionPods: { maxDevicesPerPod: perEndpoint } });
}

async function inSync(installation: Installation): Promise<void> {
  const deadlineMs = performance.now() + patienceMs;
  let page = "";
  while (performance.now() < deadlineMs) {
    page = (await installation.operatorMetrics()) ?? "";
    if (isInSync(page)) return;
    await delay(pollMs);
  }
  throw new Error(`not in sync; its metrics:\n${page}\n${installation.operator.log().slice(-2_000)}`);
}

function isInSync(page: string): boolean {
  const samples = readSamples(page);
  const sum = (name: string, labels?: Readonly<Record<string, string>>): number => sumOf(samples, name, labels);
  return (
    sum("whatsapp_session_pods_linked") === endpoints &&
    sum("whatsapp_device_sessions", { state: "Connected" }) === devices &&
    sum("whatsapp_devices", { phase: "Connected" }) === devices &&
    sum("controller_runtime_reconcile_total", { controller: "device" }) >= devices &&
    sum("workqueue_depth") === 0 &&
    sum("controller_runtime_active_workers") === 0
  );
}

async function inParallel(names: readonly string[], work: (name: string) => Promise<void>): Promise<void> {
  const left = [...names];
  const worker = async (): Promise<void> => {
    for (let name = left.shift(); name !== undefined; name = left.shift()) await work(name);
  };
  await Promise.all(Array.from({ length: 16 }, worker));
}
