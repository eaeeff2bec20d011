import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { pino } from "pino";
import { Registry } from "prom-client";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startInformer, type Informer } from "../src/kube/informer.ts";
import { loadClusterAccess } from "../src/kube/kubeconfig.ts";
import { createKubeMetrics } from "../src/kube/metrics.ts";
import { isOlderVersion } from "../src/kube/object.ts";
import { listRaw, resource, type Resource } from "../src/kube/resource.ts";
import { connectTransport, type Transport } from "../src/kube/transport.ts";
import { startApiServer, type ApiServer } from "./api-server.ts";
import { configMaps, type ConfigMap } from "./config-maps.ts";
import { eventually } from "./eventually.ts";
import { Stage } from "./stage.ts";
import { startTcpProxy, type TcpProxy } from "./tcp-proxy.ts";

/** etcd is put back to an older copy under everybody's feet. */
let server: ApiServer;

beforeAll(async () => {
  server = await startApiServer();
  await server.applyCrds();
});
afterAll(async () => {
  await server.stop();
});

describe("a mirror", () => {
  let proxy: TcpProxy;
  let watching: Transport;
  let metrics: ReturnType<typeof createKubeMetrics>;
  let writes: Resource<ConfigMap>;
  let namespace: string;
  let informer: Informer<ConfigMap>;
  let log: string[];
  let backs: number;

  beforeEach(async () => {
    proxy = await startTcpProxy(Number(new URL(server.url).port));
    metrics = createKubeMetrics(new Registry());
    const access = await loadClusterAccess(server.kubeconfig);
    watching = connectTransport({ ...access, server: `https://127.0.0.1:${proxy.port}` }, metrics);
    writes = resource(server.transport, configMaps);
    namespace = await server.createNamespace();
    log = [];
    backs = 0;
  });
  afterEach(async () => {
    await informer.stop();
    await watching.close();
    await proxy.stop();
  });

  const start = async (): Promise<void> => {
    informer = startInformer({
      transport: watching,
      kind: configMaps,
      selection: { namespace },
      onChange: () => undefined,
      onHistoryBack: () => {
        backs += 1;
      },
      metrics,
      logger: pino({ level: "info" }, { write: (line: string) => log.push(line) }),
      timing: { backoffBaseMs: 50, backoffMaxMs: 500 },
    });
    await eventually(() => {
      expect(informer.hasSynced).toBe(true);
    });
  };
  const write = async (name: string, a: string): Promise<void> => {
    const found = await writes.get({ namespace, name });
    if (found === undefined) await writes.create({ metadata: { namespace, name }, data: { a } });
    else await writes.mergePatch({ namespace, name }, { data: { a } });
  };
  const mirrored = () => Object.fromEntries(informer.list().map(({ metadata: { name }, data }) => [name, data?.["a"]]));
  const rewinds = async () => (await metrics.reflectorRewinds.get()).values.reduce((sum, { value }) => sum + value, 0);

  /** One object that the copy has in an older form, one that it lacks, one that it has and that was deleted since. */
  const future = async (): Promise<string> => {
    await write("changes", "1");
    await write("returns", "1");
    const copy = await server.copyEtcd();
    await start();
    await write("changes", "2");
    await write("vanishes", "1");
    const { metadata } = await found("returns");
    await writes.delete({ namespace, name: "returns" }, { uid: metadata.uid });
    await eventually(() => {
      expect(mirrored()).toEqual({ changes: "2", vanishes: "1" });
    });
    return copy;
  };
  const found = async (name: string) => {
    const object = await writes.get({ namespace, name });
    if (object === undefined) throw new Error(`${name} is gone`);
    return object;
  };

  it("lists again at once, says so, and hears what comes", async () => {
    await server.putEtcdBack(await future());
    await eventually(() => {
      expect(mirrored()).toEqual({ changes: "1", returns: "1" });
    }, 10_000);
    expect(await rewinds()).toBe(1);
    expect(backs).toBe(1);
    expect(log.filter((line) => line.includes("history went back"))).toHaveLength(1);
    await write("later", "1");
    await eventually(() => {
      expect(mirrored()).toEqual({ changes: "1", returns: "1", later: "1" });
    });
    expect(await rewinds()).toBe(1);
  });

  it("notices it also where the other history has grown beyond what it had seen", async () => {
    const copy = await future();
    await write("changes", "3");
    await eventually(() => {
      expect(mirrored()["changes"]).toBe("3");
    });
    proxy.cut();
    await server.putEtcdBack(copy);
    const version = async () => (await listRaw(server.transport, configMaps, { namespace })).resourceVersion;
    while (!isOlderVersion(informer.version, await version())) await write("grows", randomUUID());
    proxy.restore();
    await eventually(() => {
      expect(mirrored()).toMatchObject({ changes: "1", returns: "1" });
      expect(mirrored()).not.toHaveProperty("vanishes");
    });
    expect(await rewinds()).toBe(1);
  });

  it("of which nothing has changed since the copy finds it by the version alone", async () => {
    await write("stays", "1");
    const copy = await server.copyEtcd();
    await start();
    // Others write: a bookmark or a list tells a version that this kind had no part in.
    for (let count = 0; count < 5; count += 1) await server.createNamespace();
    await informer.stop();
    await start();
    await server.putEtcdBack(copy);
    await eventually(async () => {
      expect(await rewinds()).toBe(1);
    }, 10_000);
    expect(mirrored()).toEqual({ stays: "1" });
  });

  it("takes a restart, a reset and a deletion in the gap for none", async () => {
    await write("stays", "1");
    await write("goes", "1");
    await start();
    await server.restart();
    proxy.cut();
    const { metadata } = await found("goes");
    await writes.delete({ namespace, name: "goes" }, { uid: metadata.uid });
    proxy.restore();
    await eventually(() => {
      expect(mirrored()).toEqual({ stays: "1" });
    });
    await delay(3_000);
    expect(await rewinds()).toBe(0);
  });
});

it("the operator goes on with what the copy has: a device that is applied then is served", async () => {
  await using stage = await Stage.set(server);
  await stage.shop.applyPool();
  await stage.shop.applyDevice("ann");
  await stage.linked("ann");
  const copy = await server.copyEtcd();
  await stage.shop.applyDevice("bob");
  await stage.linked("bob");
  await server.putEtcdBack(copy);
  await stage.shop.applyDevice("eve");
  await eventually(async () => {
    expect((await stage.shop.device("eve")).status.assignment?.endpoint).toBe("eu-px");
  }, 15_000);
  expect(await stage.shop.hasDevice("bob")).toBe(false);
  await stage.linked("eve");
  expect(stage.log.join("")).toContain("history went back");
  expect(await stage.metrics()).toMatch(/reflector_history_rewinds_total\{kind="[A-Za-z]+"\} 1/);
});
