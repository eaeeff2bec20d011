import { pino } from "pino";
import { Registry } from "prom-client";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { readConfig } from "../src/config/config.ts";
import { run, type Running } from "../src/controllers/run.ts";
import { createKubeMetrics } from "../src/kube/metrics.ts";
import { resource } from "../src/kube/resource.ts";
import { podKind } from "../src/world/kinds.ts";
import { startApiServer, type ApiServer } from "./api-server.ts";
import { say, Shop } from "./cluster.ts";
import { eventually } from "./eventually.ts";
import { LinkBoard } from "./link-board.ts";

/** Whole operator processes, apart from the hub's sockets, competing for one Lease. */
let server: ApiServer;
let running: Running[] = [];

beforeAll(async () => {
  server = await startApiServer();
  await server.applyCrds();
  await server.createNamespace("wa-system");
  for (const name of ["op-0", "op-1"])
    await resource(server.transport, podKind).create({
      metadata: { name, namespace: "wa-system", labels: { "app.kubernetes.io/component": "operator" } },
      spec: { containers: [{ name: "x", image: "x" }] },
    });
});
afterAll(async () => {
  await server.stop();
});
afterEach(async () => {
  for (const one of running.splice(0)) await one[Symbol.asyncDispose]();
});

async function start(podName: string, board: LinkBoard, onFatal: (reason: string) => void = fail): Promise<Running> {
  const registry = new Registry();
  const env = {
    POD_NAME: podName,
    POD_NAMESPACE: "wa-system",
    SESSION_IMAGE: "session:1",
    STORE_SECRET: "store",
    METRICS_PORT: "0",
  };
  const one = await run({
    config: readConfig(env),
    transport: server.transport,
    registry,
    kubeMetrics: createKubeMetrics(registry),
    logger: pino({ level: process.env["TEST_LOG"] ?? "silent" }),
    prepare: async () =>
      await Promise.resolve({ masterKey: Buffer.alloc(32, 7), hubCaPem: "ca", storeUrl: "sqlite://x" }),
    startHub: async () =>
      await Promise.resolve(Object.assign(board, { [Symbol.asyncDispose]: async () => await Promise.resolve() })),
    startStandby: async () => await Promise.resolve(undefined),
    ledgerNames: { ledgerOf: (subject) => subject, poolCode: (pool) => pool },
    onFatal,
    timing: { durationMs: 3_000, renewDeadlineMs: 2_000, retryMs: 200 },
  });
  running.push(one);
  return one;
}

function fail(reason: string): void {
  throw new Error(reason);
}

async function leaders(): Promise<readonly string[]> {
  const labelSelector = "whatsapp-operator.io/leader=true";
  return (await resource(server.transport, podKind).list({ namespace: "wa-system", labelSelector })).map(
    ({ name }) => name,
  );
}

it("one of two leads and carries the label; the other takes over with warm mirrors and makes no second pod", async () => {
  const [first, second] = [new LinkBoard(), new LinkBoard()];
  const leading = await start("op-0", first);
  await eventually(async () => {
    expect(await leaders()).toEqual(["op-0"]);
  });
  const standby = await start("op-1", second);
  const shop = new Shop(server.transport, await server.createNamespace("shop"));
  await shop.applyPool();
  await shop.applyDevice("ann");
  await eventually(async () => {
    expect((await shop.device("ann")).status.assignment?.epoch).toBe(1);
  });
  const [pod] = await shop.pods();
  const { hubCa, hubUrl } = await envOf(shop.namespace);
  expect({ hubCa, hubUrl }).toEqual({ hubCa: "ca", hubUrl: "wss://whatsapp-operator-hub.wa-system.svc:8443/link" });
  expect(standby.isLeading).toBe(false);
  running = running.filter((one) => one !== leading);
  await leading[Symbol.asyncDispose]();
  await eventually(async () => {
    expect(await leaders()).toEqual(["op-1"]);
  });
  second.link({ namespace: shop.namespace, name: "eu-px-0", uid: pod?.uid ?? "", endpoint: "eu-px" });
  second.report(pod?.uid ?? "", say(await shop.device("ann"), "Connected", { paired: true }));
  await eventually(async () => {
    expect((await shop.device("ann")).status).toMatchObject({ phase: "Connected", assignment: { epoch: 1 } });
  });
  expect((await shop.pods()).map(({ uid }) => uid)).toEqual([pod?.uid]);
});

async function envOf(namespace: string): Promise<{ hubCa: string | undefined; hubUrl: string | undefined }> {
  const pod = JSON.stringify(
    await server.transport.call({ method: "GET", path: `/api/v1/namespaces/${namespace}/pods/eu-px-0` }),
  );
  const value = (name: string) => new RegExp(`"name":"${name}","value":"([^"]*)"`).exec(pod)?.[1];
  return { hubCa: value("WA_HUB_CA"), hubUrl: value("WA_HUB_URL") };
}

it("a process whose Lease is taken away says so, once, and writes nothing more", async () => {
  const reasons: string[] = [];
  const board = new LinkBoard();
  const one = await start("op-0", board, (reason) => reasons.push(reason));
  await eventually(() => {
    expect(one.isLeading).toBe(true);
  });
  await server.transport.call({
    method: "PATCH",
    path: "/apis/coordination.k8s.io/v1/namespaces/wa-system/leases/whatsapp-operator",
    contentType: "application/merge-patch+json",
    body: { spec: { holderIdentity: "somebody-else" } },
  });
  await eventually(() => {
    expect(reasons).toHaveLength(1);
  });
  const shop = new Shop(server.transport, await server.createNamespace("late-shop"));
  await shop.applyPool();
  await shop.applyDevice("ann");
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect((await shop.device("ann")).status.phase).toBeUndefined();
});

it("serves metrics and health", async () => {
  const one = await start("op-0", new LinkBoard());
  const get = async (path: string) => await fetch(`http://127.0.0.1:${one.httpPort}${path}`);
  expect((await get("/livez")).status).toBe(200);
  await eventually(async () => {
    expect((await get("/readyz")).status).toBe(200);
  });
  const text = await (await get("/metrics")).text();
  for (const name of [
    "whatsapp_devices",
    "whatsapp_device_disconnects_total",
    "workqueue_depth",
    "leader_election_master_status",
  ])
    expect(text).toContain(`# TYPE ${name}`);
  expect((await get("/elsewhere")).status).toBe(404);
});
