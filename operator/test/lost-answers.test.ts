import { setTimeout as delay } from "node:timers/promises";
import { Registry } from "prom-client";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { loadClusterAccess } from "../src/kube/kubeconfig.ts";
import { createKubeMetrics } from "../src/kube/metrics.ts";
import { connectTransport, type Transport } from "../src/kube/transport.ts";
import { startApiServer, type ApiServer } from "./api-server.ts";
import { say, Shop } from "./cluster.ts";
import { eventually } from "./eventually.ts";
import { startFaultProxy, type FaultProxy } from "./fault-proxy.ts";
import { Stage } from "./stage.ts";

/** The controllers behind a path that loses or delays what the API server answers to their writes. */
let server: ApiServer;
let proxy: FaultProxy;
let transport: Transport;
let stage: Stage;
/** Past the proxy. */
let shop: Shop;

beforeAll(async () => {
  server = await startApiServer();
  await server.applyCrds();
  const access = await loadClusterAccess(server.kubeconfig);
  proxy = await startFaultProxy(access);
  transport = connectTransport({ ...access, server: proxy.url }, createKubeMetrics(new Registry()));
});
afterAll(async () => {
  await transport.close();
  await proxy[Symbol.asyncDispose]();
  await server.stop();
});
beforeEach(async () => {
  stage = await Stage.set({ ...server, transport });
  shop = new Shop(server.transport, stage.shop.namespace);
});
afterEach(async () => {
  proxy.setPlan(undefined);
  await stage[Symbol.asyncDispose]();
});

it("a pod that was made though no answer came is its own: recorded, and not asked after for ever", async () => {
  let [lost, late] = [0, 0];
  proxy.setPlan(({ kind, method, path }) => {
    if (!path.endsWith("/pods")) return undefined;
    if (kind === "Watch") {
      late += 1;
      return { kind: "Slow", pieces: 2, pauseMs: 1_000 };
    }
    if (method !== "POST" || lost > 0) return undefined;
    lost += 1;
    return { kind: "ResetBeforeHeaders", isDone: true };
  });
  proxy.cut();
  await eventually(() => {
    expect(late).toBe(1);
  });
  await shop.applyPool();
  await shop.applyDevice("ann");
  await stage.connected("ann");
  expect(lost).toBe(1);
  await delay(2_000);
  const served = proxy.served.length;
  // A pod of somebody else's is asked after every 15 s.
  await delay(17_000);
  expect(proxy.served.slice(served).filter(({ kind }) => kind !== "Watch")).toEqual([]);
  expect(await shop.pods()).toHaveLength(1);
});

it("a pod is made only under the record that stands: what the mirror has missed cannot make one that nobody knows", async () => {
  let [created, late] = [0, 0];
  proxy.setPlan(({ kind, method, path }) => {
    created += Number(method === "POST" && path.endsWith("/pods"));
    if (!path.includes("/egressendpoints")) return undefined;
    late += Number(kind === "Watch");
    // The pod's UID is written; no answer says so, and the event comes seconds later.
    if (kind === "Watch") return { kind: "Slow", pieces: 2, pauseMs: 2_000 };
    return method === "PATCH" && created > 0 ? { kind: "ResetBeforeHeaders", isDone: true } : undefined;
  });
  proxy.cut();
  await eventually(() => {
    expect(late).toBe(1);
  });
  await shop.applyPool();
  await shop.applyDevice("ann");
  await recordedPod();
  await shop.deletePod("eu-px-0");
  await delay(3_000);
  proxy.setPlan(undefined);
  proxy.cut();
  await stage.connected("ann");
  expect((await shop.pods()).map(({ uid }) => uid)).toEqual([await recordedPod()]);
});

/** The UID that the endpoint's only record names. */
async function recordedPod(): Promise<string> {
  let uid = "";
  await eventually(async () => {
    const [record] = (await shop.endpoint()).status.pods;
    expect(record?.uid).toBeDefined();
    uid = record?.uid ?? "";
  });
  return uid;
}

it("what a user changes is seen, though it arrives before the answer to a write of before", async () => {
  await shop.applyPool();
  await shop.applyDevice("ann");
  const uid = await stage.connected("ann");
  proxy.setPlan(({ method }) => (method === "PATCH" ? { kind: "Slow", pieces: 2, pauseMs: 1_000 } : undefined));
  stage.board.report(uid, say(await shop.device("ann"), "Connecting", { paired: true }));
  await eventually(async () => {
    expect((await shop.device("ann")).status.phase).not.toBe("Connected");
  });
  await shop.patchDevice("ann", { spec: { suspend: true } });
  await eventually(async () => {
    expect((await shop.device("ann")).metadata.generation).toBe((await shop.device("ann")).status.observedGeneration);
  }, 20_000);
});
