import { setTimeout as delay } from "node:timers/promises";
import { pino } from "pino";
import { Registry } from "prom-client";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startInformer, type Informer } from "../src/kube/informer.ts";
import { loadClusterAccess } from "../src/kube/kubeconfig.ts";
import { createKubeMetrics } from "../src/kube/metrics.ts";
import { resource, type Resource } from "../src/kube/resource.ts";
import { connectTransport, type Transport } from "../src/kube/transport.ts";
import { startApiServer, type ApiServer } from "./api-server.ts";
import { configMaps, type ConfigMap } from "./config-maps.ts";
import { eventually } from "./eventually.ts";
import { startFaultProxy, type FaultProxy, type Served } from "./fault-proxy.ts";
import { labelOf, type Asked, type Fault, type FaultPlan } from "./faults.ts";
import { Told, truth } from "./told.ts";

/** One fault at a time between one informer and a real API server; the tests' own writes go past it. */
let server: ApiServer;
let proxy: FaultProxy;
let watching: Transport;
let writes: Resource<ConfigMap>;
let namespace: string;
let informer: Informer<ConfigMap>;
let told: Told;
let servedBefore: number;

beforeAll(async () => {
  server = await startApiServer();
  const access = await loadClusterAccess(server.kubeconfig);
  proxy = await startFaultProxy(access);
  watching = connectTransport({ ...access, server: proxy.url }, createKubeMetrics(new Registry()));
  writes = resource(server.transport, configMaps);
});
afterAll(async () => {
  await watching.close();
  await proxy[Symbol.asyncDispose]();
  await server.stop();
});
beforeEach(async () => {
  namespace = await server.createNamespace();
  told = new Told();
  servedBefore = proxy.served.length;
});
afterEach(async () => {
  proxy.setPlan(undefined);
  await informer.stop();
});

function start(): void {
  informer = startInformer({
    transport: watching,
    kind: configMaps,
    selection: { namespace },
    onChange: (change) => {
      told.note(change);
    },
    metrics: createKubeMetrics(new Registry()),
    logger: pino({ level: process.env["TEST_LOG"] ?? "silent" }),
    timing: { backoffBaseMs: 50, backoffMaxMs: 500, idleMs: 1_500 },
  });
}

const served = (kind: Asked["kind"]): readonly Served[] =>
  proxy.served.slice(servedBefore).filter((one) => one.kind === kind);
const always =
  (kind: Asked["kind"], fault: Fault): FaultPlan =>
  (asked) =>
    asked.kind === kind ? fault : undefined;
const first =
  (count: number, kind: Asked["kind"], fault: Fault): FaultPlan =>
  (asked) =>
    asked.kind === kind && served(kind).length < count ? fault : undefined;
const create = async (name: string) => await writes.create({ metadata: { namespace, name }, data: { a: "1" } });

/** An object that is made anew under its name, one that changes, one that stays, one that goes. */
async function live(turn: number): Promise<void> {
  const { metadata } = await create("same");
  const { metadata: going } = await create(`goes-${turn}`);
  await create(`stays-${turn}`);
  await writes.mergePatch({ namespace, name: `stays-${turn}` }, { data: { a: "2" } });
  await writes.delete({ namespace, name: `goes-${turn}` }, { uid: going.uid });
  await writes.delete({ namespace, name: "same" }, { uid: metadata.uid });
}

async function untilInSync(withinMs?: number): Promise<void> {
  const wanted = await truth(server.transport, configMaps, { namespace });
  await eventually(() => {
    expect(told.alive).toEqual(wanted);
  }, withinMs);
  expect(told.contradictions).toEqual([]);
}

const streams: readonly [Fault, number][] = [
  [{ kind: "Status", status: 410 }, 4],
  [{ kind: "Status", status: 429, retryAfterS: 1 }, 1],
  [{ kind: "Status", status: 500 }, 1],
  [{ kind: "Status", status: 503 }, 1],
  [{ kind: "ResetBeforeHeaders", isDone: false }, 1],
  [{ kind: "HalfOpen" }, 1],
  [{ kind: "Slow", pieces: 4, pauseMs: 20 }, 1],
  [{ kind: "ErrorEvent", status: 410, afterLines: 1 }, 4],
  [{ kind: "ErrorEvent", status: 500, afterLines: 1 }, 1],
  [{ kind: "ResetInLine", afterLines: 1 }, 1],
  [{ kind: "CutLine", afterLines: 1 }, 1],
  [{ kind: "Repeat" }, 1],
  [{ kind: "Silent", afterLines: 1 }, 1],
];

it.each(streams.map(([fault, lists]) => [labelOf(fault), fault, lists] as const))(
  "misses nothing when three watches meet %s",
  async (_label, fault, mostLists) => {
    proxy.setPlan(first(3, "Watch", fault));
    start();
    for (let turn = 0; turn < 4; turn += 1) {
      await live(turn);
      await delay(150);
    }
    await create("same");
    await untilInSync();
    expect(served("List").length, "only an expired watch has it listed again").toBeLessThanOrEqual(mostLists);
  },
);

const answers: readonly Fault[] = [
  { kind: "Status", status: 410 },
  { kind: "Status", status: 429, retryAfterS: 1 },
  { kind: "Status", status: 500 },
  { kind: "Status", status: 503 },
  { kind: "ResetBeforeHeaders", isDone: true },
  { kind: "ResetInBody" },
  { kind: "Slow", pieces: 20, pauseMs: 50 },
];

it.each(answers.map((fault) => [labelOf(fault), fault] as const))(
  "comes to its first list when three meet %s",
  async (_label, fault) => {
    await live(0);
    proxy.setPlan(first(3, "List", fault));
    start();
    await untilInSync();
    expect(informer.hasSynced).toBe(true);
  },
);

describe("is no burden", () => {
  const away: Fault = { kind: "ResetBeforeHeaders", isDone: false };

  // Backoff from 50 to 500 ms makes about ten rounds in three seconds; a watch that brought an event has no failures before it.
  it.each<[string, FaultPlan, number]>([
    ["nothing is answered", (): Fault => away, 16],
    ["every watch is refused", always("Watch", { kind: "Status", status: 500 }), 16],
    ["every watch has expired at once", always("Watch", { kind: "ErrorEvent", status: 410, afterLines: 0 }), 16],
    ["every watch expires after an event", always("Watch", { kind: "ErrorEvent", status: 410, afterLines: 1 }), 16],
    ["every watch breaks after an event", always("Watch", { kind: "ResetInLine", afterLines: 1 }), 80],
  ])("while %s", async (_case, plan, mostWatches) => {
    proxy.setPlan(plan);
    start();
    for (let turn = 0; turn < 40; turn += 1) {
      await create(`more-${turn}`);
      await delay(75);
    }
    expect(served("List").length).toBeLessThan(16);
    expect(served("Watch").length).toBeLessThan(mostWatches);
    proxy.setPlan(undefined);
    await untilInSync();
  });

  it.each<Asked["kind"]>(["Watch", "List"])("waits as long as a 429 to its %s asks for", async (kind) => {
    proxy.setPlan(first(2, kind, { kind: "Status", status: 429, retryAfterS: 1 }));
    start();
    await eventually(() => {
      expect(served(kind)).toHaveLength(3);
    });
    const [one, two, three] = served(kind).map(({ atMs }) => atMs);
    expect((two ?? 0) - (one ?? 0)).toBeGreaterThan(950);
    expect((three ?? 0) - (two ?? 0)).toBeGreaterThan(950);
  });
});
