import { readFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { hubPath, labels, labelValues } from "@wa/schema";
import { pino } from "pino";
import { Registry } from "prom-client";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startInformer, type Informer } from "../src/kube/informer.ts";
import { loadClusterAccess } from "../src/kube/kubeconfig.ts";
import { createKubeMetrics } from "../src/kube/metrics.ts";
import type { PodFacts } from "../src/plan/world.ts";
import { podKind } from "../src/world/kinds.ts";
import { freePort, startApiServer, type ApiServer } from "./api-server.ts";
import { proxyMember } from "./builders.ts";
import { Shop } from "./cluster.ts";
import { eventually } from "./eventually.ts";
import { startFaultProxy, type FaultProxy } from "./fault-proxy.ts";
import { OperatorProcess } from "./operator-process.ts";
import { chanceOf, oneOf, randomFaults } from "./random-faults.ts";
import { operatorPod, seed as seedCluster, storeSecret, system } from "./seed.ts";
import { countsBy } from "./served.ts";
import { StubPods } from "./stub-pods.ts";

/** The operator's process, its hub and Lease included, behind a path with faults; session pods are links without sessions. */
const churnMs = (Number(process.env["CHURN_MINUTES"] ?? 1.5) * 60_000) / 4;
const seed = Number(process.env["CHURN_SEED"] ?? Date.now() % 2 ** 31);
const members = ["px-0", "px-1"];
const names = Array.from({ length: 12 }, (_, index) => `device-${index}`);
const logger = pino({ level: process.env["TEST_LOG"] ?? "silent" });
const quiet = pino({ level: "silent" });

let server: ApiServer;
let proxy: FaultProxy;
let operator: OperatorProcess;
let pods: Informer<PodFacts>;
let stubs: StubPods;
let shop: Shop;
let folder: string;
let podsMade = 0;
let mostPods = 0;
/** What the user wants; absent: no such device. */
const wanted = new Map<string, "Connected" | "Suspended">();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wa-faults-"));
  server = await startApiServer();
  await server.applyCrds();
  await seedCluster(server, "sqlite://unused");
  shop = new Shop(server.transport, await server.createNamespace());
  proxy = await startFaultProxy(await loadClusterAccess(server.kubeconfig));
  const hubPort = await freePort();
  operator = new OperatorProcess({
    KUBECONFIG: await kubeconfigThrough(proxy),
    POD_NAME: operatorPod,
    POD_NAMESPACE: system,
    SESSION_IMAGE: "session:1",
    STORE_SECRET: storeSecret,
    HUB_PORT: String(hubPort),
    METRICS_PORT: "0",
    WHATSAPP_URL: "ws://127.0.0.1:1",
  });
  stubs = new StubPods(server.transport, shop.namespace, `wss://localhost:${hubPort}${hubPath}`);
  pods = startInformer({
    transport: server.transport,
    kind: podKind,
    selection: { namespace: shop.namespace, labelSelector: `${labels.component}=${labelValues.sessionPod}` },
    onChange: ({ kind }) => {
      if (kind === "Added") podsMade += 1;
      mostPods = Math.max(mostPods, pods.list().length);
    },
    metrics: createKubeMetrics(new Registry()),
    logger: quiet,
  });
  await shop.applyPool({ members: members.map((name) => proxyMember(name)), sessionPods: { maxDevicesPerPod: 20 } });
});
afterAll(async () => {
  await stubs[Symbol.asyncDispose]();
  await operator[Symbol.asyncDispose]();
  await pods.stop();
  await proxy[Symbol.asyncDispose]();
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

/** The same user, another way. */
async function kubeconfigThrough({ url }: FaultProxy): Promise<string> {
  const config: object = JSON.parse(await readFile(server.kubeconfig, "utf8"));
  const path = join(folder, "kubeconfig.json");
  // Without it the client library refuses a server that has no TLS.
  const cluster = { server: url, "insecure-skip-tls-verify": true };
  await writeFile(path, JSON.stringify({ ...config, clusters: [{ name: "test", cluster }] }));
  return path;
}

/** One thing that a user does. */
async function act(chance: () => number): Promise<void> {
  const name = oneOf(names, chance);
  const now = wanted.get(name);
  if (now !== undefined && chance() < 0.4) {
    await shop.deleteDevice(name);
    wanted.delete(name);
    if (chance() < 0.5) return;
  }
  await apply(chance() < 0.25 ? "Suspended" : "Connected", [name]);
}

async function apply(phase: "Connected" | "Suspended", devices: readonly string[]): Promise<void> {
  for (const name of devices) {
    await shop.applyDevice(name, { suspend: phase === "Suspended" });
    wanted.set(name, phase);
  }
}

/** Ends one pod, if there is any; returns how many. */
async function evict([pod]: readonly PodFacts[]): Promise<number> {
  if (pod === undefined) return 0;
  await shop.deletePod(pod.name);
  return 1;
}

/** A device of a pod that has just gone is still called connected: its next pod takes it over when its lease has run out. */
async function phaseOf(name: string): Promise<string | undefined> {
  const { phase, assignment } = (await shop.device(name)).status;
  const isLeft = phase === "Connected" && !pods.list().some(({ uid }) => uid === assignment?.podUID);
  return isLeft ? "Left" : phase;
}

async function untilInSync(): Promise<void> {
  await eventually(async () => {
    const phases = await Promise.all([...wanted].map(async ([name]) => [name, await phaseOf(name)]));
    const recorded = await Promise.all(members.map(async (name) => (await shop.endpoint(`eu-${name}`)).status.pods));
    const seen = JSON.stringify({ recorded, pods: pods.list() });
    expect(Object.fromEntries(phases), `seed ${seed}\n${seen}\n${operator.log.slice(-3_000)}`).toEqual(
      Object.fromEntries(wanted),
    );
  }, 120_000);
}

it(
  "comes to what is wanted, with one pod an endpoint and each device in one of them",
  async () => {
    await apply("Connected", ["device-0"]);
    await untilInSync();
    proxy.setPlan(randomFaults(seed, { List: 0.3, Watch: 0.6, Get: 0.25, Write: 0.25 }, 8));
    await apply("Connected", names);
    const chance = chanceOf(seed);
    let [restarts, evictions] = [0, 0];
    const endMs = performance.now() + churnMs;
    for (let turn = 0; performance.now() < endMs; turn += 1) {
      await act(chance);
      await delay(500 * chance());
      if (turn % 20 === 0) {
        await server.compactEtcd();
        proxy.cut();
        evictions += await evict(pods.list());
      }
      // What a kubelet does with a process that has lost its Lease.
      if (!operator.hasEnded) continue;
      restarts += 1;
      await operator.crash();
    }
    proxy.setPlan(undefined);
    // A silent stream is left after 90 s, which the reflector's own tests wait for.
    proxy.cut();
    if (operator.hasEnded) await operator.crash();
    // No pod stands empty, which would be ended a minute later.
    await apply("Connected", names);
    await untilInSync();
    expect(stubs.faults).toEqual([]);
    expect(mostPods).toBe(members.length);
    logger.info({ seed, restarts, evictions, podsMade, ...countsBy(proxy.served) }, "whole operator");
  },
  400_000 + churnMs,
);

it("at rest it writes nothing but its Lease, and lists nothing", async () => {
  await delay(5_000);
  const [first, before] = [proxy.served.length, await shop.versions()];
  await delay(8_000);
  const isLease = (path: string) => path.endsWith("/leases/whatsapp-operator");
  const others = proxy.served.slice(first).filter(({ kind, path }) => kind !== "Watch" && !isLease(path));
  // The store's login may be another one at any time; a watch that goes on looks at one object.
  expect(others.filter(({ kind }) => kind !== "Get")).toEqual([]);
  expect(await shop.versions()).toEqual(before);
});
