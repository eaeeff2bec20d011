import { setTimeout as delay } from "node:timers/promises";
import type { DeviceRef, PodFrame } from "@wa/schema";
import { Registry } from "prom-client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { budgetsIn } from "../src/controllers/hub-answers.ts";
import { ledgerName, poolCode } from "../src/hub/grants/ledger-leases.ts";
import type { BudgetOf } from "../src/hub/links.ts";
import type { Hub } from "../src/hub/start-hub.ts";
import { loadClusterAccess } from "../src/kube/kubeconfig.ts";
import { createKubeMetrics } from "../src/kube/metrics.ts";
import { connectTransport } from "../src/kube/transport.ts";
import { startApiServer, type ApiServer } from "./api-server.ts";
import { AskingPod, assignmentsOf, devicesOf, limitsOf, most, newAddress, StoredLedgers } from "./asking-pod.ts";
import { aDevice, anEndpoint, aPool, aRecord, aWorld } from "./builders.ts";
import { eventually } from "./eventually.ts";
import { startFaultProxy } from "./fault-proxy.ts";
import { budgetFor, HubStage, watched } from "./hub-stage.ts";
import { helloOf } from "./link-dialer.ts";
import { StartPod } from "./start-pod.ts";
import { startTcpProxy } from "./tcp-proxy.ts";

/** Start budgets through what goes wrong: real hub, real links, real API server. */
let server: ApiServer;
let stage: HubStage;
let ledgers: StoredLedgers;

beforeAll(async () => {
  server = await startApiServer();
  stage = await HubStage.on(server);
  ledgers = new StoredLedgers(stage);
});
afterAll(async () => {
  await server.stop();
});

/** Two pods in two namespaces' pools, as the operator's own answers see them. */
function twoTenants(addresses: readonly string[]): BudgetOf {
  const status = { observedIPs: [...addresses], pods: [aRecord()] };
  const of = (namespace: string, endpoint: string) => ({
    endpoint: anEndpoint({ name: endpoint, metadata: { namespace }, status }),
    pool: aPool({ metadata: { namespace }, spec: { startLimits: { login: { count: 6, period: "60s" } } } }),
    device: aDevice({
      name: `in-${namespace}`,
      metadata: { namespace },
      status: { assignment: { endpoint, pod: "p", podUID: "u", epoch: 1, since: "2026-01-01T00:00:00Z" } },
    }),
  });
  const [thief, victim] = [of("thieves", "thief-px"), of("shop", "victim-endpoint")];
  const world = aWorld({
    endpoints: [thief.endpoint, victim.endpoint],
    pools: [thief.pool, victim.pool],
    devices: [thief.device, victim.device],
  });
  return budgetsIn(() => world, { ledgerOf: ledgerName, poolCode });
}

describe("a stolen session pod", () => {
  it("takes no start from another namespace, whatever it tells of its own and asks for", async () => {
    const address = newAddress();
    const thieves = new Set<string>();
    const budgetOf = twoTenants([address]);
    await using hub = await stage.hub({
      isOurPod: ({ uid }) => ({ kind: "Ours", endpoint: thieves.has(uid) ? "thief-px" : "victim-endpoint" }),
      budgetOf: (_namespace, endpoint, heard) =>
        budgetOf(endpoint === "thief-px" ? "thieves" : "shop", endpoint, heard),
    });
    await hub.openLedgers([address, "thieves/thief-px", "shop/victim-endpoint"]);
    const before = await AskingPod.on(stage, hub, 1);
    expect((await before.granted())[0]?.startInMs).toBe(0);

    const pod = await stage.ourPod();
    thieves.add(pod.uid);
    const devices = devicesOf(stage.namespace, 300);
    hub.setDesired(pod.uid, { egressIPEndpoints: [], assignments: assignmentsOf(devices) });
    const dialer = await stage.dial(hub, pod.token).opened();
    const hello = helloOf({ namespace: stage.namespace, ...pod });
    dialer.say(hello);
    await dialer.heard("welcome");
    dialer.say({ kind: "egress", observedIPs: [address, "shop/victim-endpoint"] });
    for (const bucket of ["login", "restart"] as const)
      dialer.say({ kind: "grant-request", requests: devices.map((device) => ({ device, bucket })) });
    await dialer.heard("grant");
    const again = await stage.dial(hub, pod.token).opened();
    const [device] = devices;
    if (device === undefined) throw new Error("no device");
    const charge = { device, bucket: "login" as const, agoMs: -8e15 };
    again.say({ ...hello, selfGranted: [charge, ...Array.from({ length: 2_000 }, () => ({ ...charge, agoMs: 0 }))] });
    await again.heard("welcome");

    const victim = await AskingPod.on(stage, hub, 2);
    expect((await victim.granted()).map(({ startInMs }) => startInMs)).toEqual([0, 0]);
    await using next = await stage.hub({
      budgetOf: (_of, _endpoint, heard) => budgetOf("shop", "victim-endpoint", heard),
    });
    const later = await AskingPod.on(stage, next, 1);
    expect((await later.granted())[0]?.startInMs).toBeLessThan(2 * 75_000);
  });

  it("has one restart entered for each pairing, and delays nobody with it", async () => {
    const address = newAddress();
    await using hub = await stage.hub({ budgetOf: budgetFor(address, limitsOf(100, 60_000)) });
    const pod = await AskingPod.on(stage, hub, 1);
    for (let time = 0; time < 50; time += 1) {
      pod.ask("restart");
      await delay(10);
    }
    await pod.dialer.heard("grant");
    await delay(300);
    expect((await ledgers.of(address)).login).toHaveLength(1);
  });

  it("has only its newest request answered while another one is under way", async () => {
    let calls = 0;
    const transport = watched(server.transport, async (path) => {
      if (!path.includes("/leases")) return;
      calls += 1;
      await delay(20);
    });
    await using hub = await stage.hub({ transport, budgetOf: budgetFor(newAddress(), limitsOf(100, 60_000)) });
    const pod = await AskingPod.on(stage, hub, 3);
    for (let time = 0; time < 1_000; time += 1) pod.ask("login", pod.devices.slice(0, 1 + (time % 2)));
    pod.ask("login");
    await eventually(() => {
      expect(pod.dialer.frames.some((frame) => frame.kind === "grant" && frame.grants.length === 3)).toBe(true);
    });
    expect(calls).toBeLessThan(60);
  });
});

describe("starts that a pod made without a leader", () => {
  const charges = (count: number, agoMs: number): Extract<PodFrame, { kind: "hello" }>["selfGranted"] =>
    devicesOf(stage.namespace, count).map((device) => ({ device, bucket: "login", agoMs }));

  it("are taken from a pod of the first release that had no leader for three hours", async () => {
    const address = newAddress();
    await using hub = await stage.hub({ budgetOf: budgetFor(address, limitsOf(30, 60_000)) });
    const startMs = performance.now();
    const told = [...charges(9_000, 7_200_000), ...charges(10, 20_000)];
    const pod = await AskingPod.on(stage, hub, 1, { selfGranted: told });
    expect(performance.now() - startMs).toBeLessThan(10_000);
    expect((await ledgers.of(address)).login).toHaveLength(10);
    expect((await pod.granted())[0]?.startInMs).toBe(0);
  });

  it("count before anything is granted", async () => {
    await using hub = await stage.hub({ budgetOf: budgetFor(newAddress(), limitsOf(5, 60_000)) });
    const pod = await AskingPod.on(stage, hub, 1, { selfGranted: charges(5, 0) });
    expect((await pod.granted())[0]?.startInMs).toBeGreaterThan(60_000);
  });

  it("are not lost when the API server fails: no welcome, and the next hello tells them again", async () => {
    let isFailing = true;
    const transport = watched(server.transport, (path) => {
      if (isFailing && path.includes("/leases")) throw new Error("503");
    });
    const address = newAddress();
    await using hub = await stage.hub({ transport, budgetOf: budgetFor(address, limitsOf(5, 60_000)) });
    const pod = await stage.ourPod();
    const selfGranted = charges(5, 0).map((charge, place) => ({ ...charge, id: `c${place}` }));
    const hello = { ...helloOf({ namespace: stage.namespace, ...pod }), selfGranted };
    const first = await stage.dial(hub, pod.token).opened();
    first.say(hello);
    await expect.poll(() => first.closed).toBe(true);
    expect(first.frames.map(({ kind }) => kind)).not.toContain("welcome");
    isFailing = false;
    for (let time = 0; time < 2; time += 1) {
      const dialer = await stage.dial(hub, pod.token).opened();
      dialer.say(hello);
      expect((await dialer.heard("welcome")).charged).toEqual(["c0", "c1", "c2", "c3", "c4"]);
    }
    expect((await ledgers.of(address)).login).toHaveLength(5);
  });
});

describe("a ledger that is lost", () => {
  const limits = limitsOf(5, 30_000);
  const named = (address: string): BudgetOf => {
    const budgetOf = budgetFor(address, limits);
    return (...of) => {
      const budget = budgetOf(...of);
      return { ...budget, draws: budget.draws.map((draw) => ({ ...draw, isNamed: true })) };
    };
  };
  const closedForMs = async (hub: Hub): Promise<number> => {
    const [grant] = await (await AskingPod.on(stage, hub, 1)).granted();
    return grant?.startInMs ?? Number.NaN;
  };

  it.each([
    ["deleted", async (address: string) => await ledgers.remove(address)],
    ["made unreadable", async (address: string) => await ledgers.spoil(address)],
  ])("because it was %s is closed for its window, also when somebody gives a start back first", async (_how, lose) => {
    const address = newAddress();
    await using hub = await stage.hub({ budgetOf: budgetFor(address, limits) });
    const pod = await AskingPod.on(stage, hub, 6);
    expect(await pod.granted()).toHaveLength(6);
    await lose(address);
    pod.ask("login", []);
    await delay(500);
    expect(await closedForMs(hub)).toBeGreaterThan(30_000);
  });

  it("while nobody led is closed for its window if a status names its address, and new if none does", async () => {
    const [lost, unknown] = [newAddress(), newAddress()];
    {
      await using hub = await stage.hub({ budgetOf: named(lost) });
      await hub.openLedgers([lost]);
      expect(await closedForMs(hub)).toBe(0);
    }
    await ledgers.remove(lost);
    await using hub = await stage.hub({ budgetOf: named(lost) });
    expect(await closedForMs(hub)).toBeGreaterThan(30_000);
    await using other = await stage.hub({ budgetOf: budgetFor(unknown, limits) });
    expect(await closedForMs(other)).toBe(0);
  });
});

describe("a clock of the API server", () => {
  const limits = limitsOf(5, 20_000);

  it.each([
    ["that steps forward", (place: number) => (place === 0 ? 0 : 75_000)],
    ["that steps back", (place: number) => (place === 0 ? 0 : -61_000)],
    ["that steps back by little", (place: number) => (place === 0 ? 0 : -25_000)],
    ["that is another one with each answer", (place: number) => (place === 0 ? 0 : place % 2 === 0 ? 30_000 : 0)],
  ])("%s brings no start beyond the budget, and closes it for one window at most", async (_how, aheadMs) => {
    await using proxy = await startFaultProxy(await loadClusterAccess(server.kubeconfig));
    const metrics = createKubeMetrics(new Registry());
    const access = { ...(await loadClusterAccess(server.kubeconfig)), server: proxy.url, tls: {} };
    const transport = connectTransport(access, metrics);
    let answers = 0;
    let hasStepped = false;
    proxy.setClock(() => aheadMs(hasStepped ? (answers += 1) : 0));
    const address = newAddress();
    const starts: number[] = [];
    {
      await using hub = await stage.hub({ transport, budgetOf: budgetFor(address, limits) });
      const [first, second] = [await AskingPod.on(stage, hub, 5), await AskingPod.on(stage, hub, 5)];
      expect((await first.granted()).map(({ startInMs }) => startInMs)).toEqual([0, 0, 0, 0, 0]);
      starts.push(...first.devices.map(() => performance.now()));
      hasStepped = true;
      first.ask("login", []);
      await delay(200);
      const grants = await second.granted();
      expect(grants).toHaveLength(5);
      starts.push(...grants.map(({ startInMs }) => performance.now() + startInMs));
      expect(Math.max(...grants.map(({ startInMs }) => startInMs))).toBeLessThan(31_500);
    }
    await transport.close();
    expect(most(starts, limits.login.periodMs)).toBeLessThanOrEqual(5);
  });
});

describe("grants that are on their way for long", () => {
  it.each([
    ["a session pod", { isOld: false }],
    ["a session pod of the first release", { isOld: true }],
  ])("bring %s no start beyond the budget", async (_which, { isOld }) => {
    const limits = limitsOf(5, 15_000);
    const { promise: stalled, resolve: open } = Promise.withResolvers<void>();
    const transport = watched(server.transport, async (url) => {
      if (url.includes("/leases")) await stalled;
    });
    await using hub = await stage.hub({ transport, budgetOf: budgetFor(newAddress(), limits) });
    const path = await startTcpProxy(hub.port);
    const starts: number[] = [];
    const podOn = async (port: number) => {
      const pod = await stage.ourPod();
      const devices = devicesOf(stage.namespace, 5);
      hub.setDesired(pod.uid, { egressIPEndpoints: [], assignments: assignmentsOf(devices) });
      const identity = { namespace: stage.namespace, name: pod.name, uid: pod.uid };
      return {
        options: { pod: identity, token: pod.token, port, caPem: stage.authority.certificatePem, isOld },
        devices,
      };
    };
    const onStart = (_device: DeviceRef, atMs: number): void => void starts.push(atMs);
    const [slow, quick] = [await podOn(path.port), await podOn(hub.port)];
    await using first = new StartPod({ ...slow.options, devices: slow.devices, bucket: "login", onStart });
    void first;
    // Its welcome has passed; the grants are given while nothing passes any more.
    await eventually(() => {
      expect(hub.pods().get(slow.options.pod.uid)?.isConnected).toBe(true);
    });
    await delay(1_000);
    path.stall();
    open();
    await delay(1_000);
    await using second = new StartPod({ ...quick.options, devices: quick.devices, bucket: "login", onStart });
    void second;
    await delay(13_000);
    path.carryOn();
    await eventually(() => {
      expect(starts).toHaveLength(10);
    }, 90_000);
    await path.stop();
    expect(most(starts, limits.login.periodMs)).toBeLessThanOrEqual(5);
  });
});
