import { pino } from "pino";
import { Registry } from "prom-client";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { startInformer, type Informer } from "../src/kube/informer.ts";
import { loadClusterAccess } from "../src/kube/kubeconfig.ts";
import { createKubeMetrics } from "../src/kube/metrics.ts";
import type { ReflectorTiming } from "../src/kube/reflector.ts";
import { resource, type Resource } from "../src/kube/resource.ts";
import { connectTransport, type Transport } from "../src/kube/transport.ts";
import { startApiServer, type ApiServer } from "./api-server.ts";
import { configMaps, type ConfigMap } from "./config-maps.ts";
import { eventually } from "./eventually.ts";
import { startTcpProxy, type TcpProxy } from "./tcp-proxy.ts";

let server: ApiServer;
let proxy: TcpProxy;
/** Through the proxy; the tests' own writes go past it. */
let watching: Transport;
let metrics: ReturnType<typeof createKubeMetrics>;
let namespace: string;
let writes: Resource<ConfigMap>;
let informer: Informer<ConfigMap>;
let seen: string[];

beforeAll(async () => {
  server = await startApiServer();
  proxy = await startTcpProxy(Number(new URL(server.url).port));
});
afterAll(async () => {
  await proxy.stop();
  await server.stop();
});

beforeEach(async () => {
  metrics = createKubeMetrics(new Registry());
  const access = await loadClusterAccess(server.kubeconfig);
  watching = connectTransport({ ...access, server: `https://127.0.0.1:${proxy.port}` }, metrics);
  writes = resource(server.transport, configMaps);
  namespace = await server.createNamespace();
  seen = [];
});
afterEach(async () => {
  await informer.stop();
  await watching.close();
});

const start = async (timing: Partial<ReflectorTiming> = {}) => {
  informer = startInformer({
    transport: watching,
    kind: configMaps,
    selection: { namespace },
    indexers: { colour: ({ metadata }) => [metadata.labels?.["colour"] ?? "none"] },
    onChange: (change, isFromList) => {
      seen.push(`${change.kind} ${change.object.metadata.name}${isFromList ? " by list" : ""}`);
    },
    metrics,
    logger: pino({ level: "silent" }),
    timing: { backoffBaseMs: 50, backoffMaxMs: 500, ...timing },
  });
  await eventually(() => {
    expect(informer.hasSynced).toBe(true);
  });
};
const create = async (name: string, labels: Record<string, string> = {}) =>
  await writes.create({ metadata: { namespace, name, labels }, data: { a: "1" } });
const names = () =>
  informer
    .list()
    .map(({ metadata }) => metadata.name)
    .toSorted();
const countOf = async (counter: "reflectorLists" | "reflectorWatches") =>
  (await metrics[counter].get()).values.reduce((sum, { value }) => sum + value, 0);

it("shows what is there, then what is created, changed and deleted", async () => {
  await create("early");
  await start();
  const { metadata } = await create("late", { colour: "red" });
  await writes.mergePatch({ namespace, name: "late" }, { data: { a: "2" }, metadata: { labels: { colour: "blue" } } });
  await eventually(() => {
    expect(informer.get({ namespace, name: "late" })?.data).toEqual({ a: "2" });
  });
  expect(informer.byIndex("colour", "red")).toEqual([]);
  expect(informer.byIndex("colour", "blue").map(({ metadata: { name } }) => name)).toEqual(["late"]);
  expect(informer.raw({ namespace, name: "late" })?.metadata["managedFields"]).toBeUndefined();
  await writes.delete({ namespace, name: "late" }, { uid: metadata.uid });
  await eventually(() => {
    expect(seen).toEqual(["Added early by list", "Added late", "Modified late", "Deleted late"]);
  });
  expect(names()).toEqual(["early"]);
});

it("reads lists of several pages", async () => {
  for (let batch = 0; batch < 51; batch += 1)
    await Promise.all(Array.from({ length: 10 }, async (_, index) => await create(`object-${batch}-${index}`)));
  await start();
  expect(informer.list()).toHaveLength(510);
});

it("goes on where it was after its connections were reset, without listing again", async () => {
  await start();
  proxy.cut();
  await create("meanwhile");
  proxy.restore();
  await eventually(() => {
    expect(seen).toEqual(["Added meanwhile"]);
  });
  expect(await countOf("reflectorLists")).toBe(1);
});

it("lists again when etcd no longer has what it missed", async () => {
  const { metadata } = await create("goes");
  await create("stays");
  await start();
  proxy.cut();
  await writes.delete({ namespace, name: "goes" }, { uid: metadata.uid });
  await create("comes");
  await server.compactEtcd();
  await server.restart();
  proxy.restore();
  await eventually(() => {
    expect(names()).toEqual(["comes", "stays"]);
  });
  expect(seen.slice(-2)).toEqual(["Deleted goes by list", "Added comes by list"]);
  expect(await countOf("reflectorLists")).toBe(2);
});

it("tells a deletion and an addition when an object was made anew in a gap", async () => {
  const { metadata } = await create("same");
  await start();
  proxy.cut();
  await writes.delete({ namespace, name: "same" }, { uid: metadata.uid });
  const anew = await create("same");
  await server.compactEtcd();
  await server.restart();
  proxy.restore();
  await eventually(() => {
    expect(seen.slice(1)).toEqual(["Deleted same by list", "Added same by list"]);
  });
  expect(informer.get({ namespace, name: "same" })?.metadata.uid).toBe(anew.metadata.uid);
});

it("comes back by itself after the API server was away", async () => {
  await start();
  await server.restart();
  await create("after");
  await eventually(() => {
    expect(seen).toEqual(["Added after"]);
  });
});

it("leaves a connection on which nothing comes any more", async () => {
  await start({ idleMs: 1_000 });
  proxy.freeze();
  await create("unheard");
  await eventually(() => {
    expect(names()).toEqual(["unheard"]);
  });
});

it("opens the next watch at once when the server ends one in order", async () => {
  await start({ watchMs: 1_000 });
  await eventually(async () => {
    expect(await countOf("reflectorWatches")).toBeGreaterThanOrEqual(3);
  });
  await create("late");
  await eventually(() => {
    expect(seen).toEqual(["Added late"]);
  }, 500);
  expect(await countOf("reflectorLists")).toBe(1);
});

it("lists anew only as often as backoff allows while the API server is away from the start", async () => {
  proxy.cut();
  informer = startInformer({
    transport: watching,
    kind: configMaps,
    selection: { namespace },
    onChange: () => undefined,
    metrics,
    logger: pino({ level: "silent" }),
    timing: { backoffBaseMs: 50, backoffMaxMs: 500 },
  });
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect(informer.hasSynced).toBe(false);
  expect(await countOf("reflectorLists")).toBeLessThan(12);
  proxy.restore();
  await eventually(() => {
    expect(informer.hasSynced).toBe(true);
  });
});
