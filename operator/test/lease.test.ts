import { setTimeout as delay } from "node:timers/promises";
import { pino } from "pino";
import { Registry } from "prom-client";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { loadClusterAccess } from "../src/kube/kubeconfig.ts";
import { leases, type LeaseTiming } from "../src/kube/lease-state.ts";
import { Elector } from "../src/kube/lease.ts";
import { createKubeMetrics } from "../src/kube/metrics.ts";
import { resource } from "../src/kube/resource.ts";
import { connectTransport, type Transport } from "../src/kube/transport.ts";
import { startApiServer, type ApiServer } from "./api-server.ts";
import { eventually } from "./eventually.ts";
import { startTcpProxy, type TcpProxy } from "./tcp-proxy.ts";

const timing: LeaseTiming = { durationMs: 3_000, renewDeadlineMs: 2_000, retryMs: 200 };
const metrics = createKubeMetrics(new Registry());

let server: ApiServer;
let proxy: TcpProxy;
let broken: Transport;
let name: { readonly namespace: string; readonly name: string };
let electors: Elector[];
let events: string[];

beforeAll(async () => {
  server = await startApiServer();
  proxy = await startTcpProxy(Number(new URL(server.url).port));
  const access = await loadClusterAccess(server.kubeconfig);
  broken = connectTransport({ ...access, server: `https://127.0.0.1:${proxy.port}` }, metrics);
});
afterAll(async () => {
  await broken.close();
  await proxy.stop();
  await server.stop();
});
beforeEach(async () => {
  name = { namespace: await server.createNamespace(), name: "leader" };
  electors = [];
  events = [];
});
afterEach(async () => {
  await Promise.all(electors.map(async (elector) => await elector.stop()));
});

function stand(identity: string, more: { transport?: Transport; isHealthy?: () => boolean } = {}): Elector {
  const elector = new Elector({
    transport: server.transport,
    lease: name,
    identity,
    onLeading: () => events.push(`${identity} leads`),
    onLost: (reason) => events.push(`${identity} lost: ${reason}`),
    metrics,
    logger: pino({ level: process.env["TEST_LOG"] ?? "silent" }),
    timing,
    ...more,
  });
  electors.push(elector);
  return elector;
}

const leaders = () => electors.filter(({ term }) => term !== undefined);
const untilLed = async () => {
  await eventually(() => {
    expect(leaders()).toHaveLength(1);
  });
};

it("makes exactly one of several the leader, and tells the others who it is", async () => {
  const candidates = ["a", "b", "c"].map((identity) => stand(identity));
  await untilLed();
  await eventually(() => {
    expect(new Set(candidates.map(({ holder }) => holder)).size).toBe(1);
  });
  expect(events).toHaveLength(1);
});

it("hands over at once when the leader stops, with a higher term", async () => {
  const first = stand("a");
  await untilLed();
  const term = first.term ?? Number.NaN;
  const second = stand("b");
  const stoppedAtMs = performance.now();
  await first.stop();
  await eventually(() => {
    expect(second.term).toBeGreaterThan(term);
  });
  expect(performance.now() - stoppedAtMs).toBeLessThan(timing.durationMs / 2);
  expect(events).toEqual(["a leads", "b leads"]);
});

it("leaves a silent leader its whole time, and that leader gives up before", async () => {
  const first = stand("a", { transport: broken });
  await untilLed();
  const second = stand("b");
  proxy.cut();
  const leadersSeen: number[] = [];
  const watch = setInterval(() => leadersSeen.push(leaders().length), 5);
  await eventually(() => {
    expect(second.term).toBeDefined();
  });
  clearInterval(watch);
  proxy.restore();
  expect(Math.max(...leadersSeen)).toBe(1);
  expect(first.term).toBeUndefined();
  expect(events).toEqual(["a leads", "a lost: the Lease could not be renewed in time", "b leads"]);
});

it("keeps the Lease when a connection goes dead under a renewal", async () => {
  const first = stand("a", { transport: broken });
  await untilLed();
  const second = stand("b");
  for (let turn = 0; turn < 3; turn += 1) {
    proxy.freeze();
    await delay(timing.durationMs);
  }
  expect(events).toEqual(["a leads"]);
  expect([first.term, second.term]).toEqual([expect.any(Number), undefined]);
});

it("reports a Lease that another one holds now", async () => {
  stand("a");
  await untilLed();
  await resource(server.transport, leases).mergePatch(name, { spec: { holderIdentity: "thief" } });
  await eventually(() => {
    expect(events).toEqual(["a leads", 'a lost: the Lease was taken: its holder is "thief"']);
  });
});

it("does not renew for a process that does no work any more", async () => {
  let isHealthy = true;
  stand("a", { isHealthy: () => isHealthy });
  await untilLed();
  isHealthy = false;
  await eventually(() => {
    expect(events).toEqual(["a leads", "a lost: the Lease could not be renewed in time"]);
  });
});

it("never lowers the term, also when the Lease was deleted after many leaders in little time", async () => {
  const terms: number[] = [];
  for (const identity of ["a", "b", "c", "d", "e"]) {
    const elector = stand(identity);
    await untilLed();
    terms.push(elector.term ?? Number.NaN);
    await elector.stop();
    // No process begins sooner than that after another.
    await delay(1_000);
  }
  const client = resource(server.transport, leases);
  const uid = (await client.get(name))?.metadata.uid ?? "";
  expect(await client.delete(name, { uid })).toBe(true);
  const last = stand("f");
  await untilLed();
  expect([...terms, last.term]).toEqual([...terms, last.term].toSorted((a, b) => Number(a) - Number(b)));
  expect(last.term).toBeGreaterThanOrEqual(Math.floor(server.transport.serverNowMs() / 1_000) - 5);
});

it("goes on from a Lease of the greatest term that the API server holds", async () => {
  const spec = { holderIdentity: "", leaseTransitions: 2 ** 31 - 1 };
  await resource(server.transport, leases).create({ metadata: { ...name }, spec });
  const only = stand("a");
  await untilLed();
  expect(only.term).toBe(2 ** 31 - 1);
});
