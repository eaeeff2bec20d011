import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Condition } from "@wa/schema";
import { startSimulator, type Simulator } from "@wa/simulator";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { socksProxy, type ProxySeen, type TestServer } from "../../session-pod/test/egress-servers.ts";
import { conditionOf } from "../src/plan/set-conditions.ts";
import { freePort, startApiServer, type ApiServer } from "./api-server.ts";
import { Place } from "./bad-input.ts";
import { nodeMember, proxyMember } from "./builders.ts";
import { eventually } from "./eventually.ts";
import { OperatorProcess } from "./operator-process.ts";
import { operatorPod, seed, storeSecret, system } from "./seed.ts";

/**
 * What a user gets for input that the schema lets through and the cluster does not: the operator's process with its hub, session
 * pods as processes, a SOCKS5 server with a password. All of it stands broken at once, and is mended row by row.
 */
let server: ApiServer;
let simulator: Simulator;
let proxy: TestServer & ProxySeen;
let operator: OperatorProcess;
let folder: string;
let metricsUrl: string;
const places = new Map<string, Place>();
const login = { username: "demo", password: "p@ss:w/rd#1" };

interface Row {
  readonly name: string;
  readonly runsPods?: true;
  /** Device `ann` names pool `eu`. */
  readonly spoil: (place: Place) => Promise<void>;
  readonly reason: string;
  /** Field and value, in the device's Ready condition. */
  readonly says: string;
  /** Where else it stands: kind, reason, and a part of the message. */
  readonly alsoAt: readonly (readonly [kind: "pool" | "endpoint", reason: string, says: string])[];
  /** Every warning of the namespace. */
  readonly warnings: readonly string[];
  readonly mend: (place: Place) => Promise<void>;
}

const ann = async ({ shop }: Place, spec: object = {}) => await shop.applyDevice("ann", spec);
const waysThroughProxy = (over: object = {}) => ({
  members: [
    proxyMember("px", {
      proxy: { protocol: "socks5", host: "127.0.0.1", port: proxy.port, credentialsSecretRef: { name: "login" } },
      ...over,
    }),
  ],
  startLimits: { registration: { count: 500, period: "10s" } },
});
const field = 'EgressPool "eu" spec.members[name="px"].proxy';

const rows: readonly Row[] = [
  {
    name: "a pool that does not exist",
    spoil: async (place) => await ann(place),
    reason: "PoolNotFound",
    says: 'spec.egress.pool: no EgressPool "eu" in namespace',
    alsoAt: [],
    warnings: ["WhatsAppDevice/ann PoolNotFound"],
    mend: async ({ shop }) => await shop.applyPool(),
  },
  {
    name: "a pool without members",
    spoil: async (place) => {
      await place.shop.applyPool({ members: [] });
      await ann(place);
    },
    reason: "PoolEmpty",
    says: 'EgressPool "eu": spec.members is empty',
    alsoAt: [["pool", "PoolEmpty", "spec.members is empty"]],
    warnings: ["EgressPool/eu PoolEmpty", "WhatsAppDevice/ann PoolEmpty"],
    mend: async ({ shop }) => await shop.applyPool(),
  },
  {
    name: "a nodeSelector that no node fits",
    spoil: async (place) => {
      await place.shop.applyPool({ members: [nodeMember("it", { nodePool: { nodeSelector: { zone: "rome" } } })] });
      await ann(place);
    },
    reason: "NoEndpoint",
    says: 'EgressPool "eu": no node carries the labels of spec.members[name="it"].nodePool.nodeSelector {"zone":"rome"}',
    alsoAt: [["pool", "NoEndpoint", 'spec.members[name="it"].nodePool.nodeSelector {"zone":"rome"}']],
    warnings: ["EgressPool/eu NoEndpoint", "WhatsAppDevice/ann NoEndpoint"],
    mend: async ({ shop }) =>
      void (await shop.call("PATCH", "/api/v1/nodes/node-a", { metadata: { labels: { zone: "rome" } } })),
  },
  {
    name: "a selector that no endpoint fits",
    spoil: async (place) => {
      await place.shop.applyPool({ members: [proxyMember("px", { labels: { country: "FR" } })] });
      await ann(place, { egress: { pool: "eu", selector: { matchLabels: { country: "IT" } } } });
    },
    reason: "NoEndpointMatches",
    says: 'spec.egress.selector.matchLabels {"country":"IT"}: carried by none of 1 endpoints of EgressPool "eu"',
    alsoAt: [],
    warnings: ["WhatsAppDevice/ann NoEndpointMatches"],
    mend: async ({ shop }) => await shop.applyPool({ members: [proxyMember("px", { labels: { country: "IT" } })] }),
  },
  {
    name: "a capacity that is used up",
    spoil: async (place) => {
      await place.shop.applyPool({ members: [proxyMember("px", { capacity: { maxSessions: 1 } })] });
      await place.shop.applyDevice("first");
      await eventually(async () => {
        expect((await place.shop.device("first")).status.assignment?.endpoint).toBe("eu-px");
      });
      await ann(place);
    },
    reason: "CapacityFull",
    says: 'EgressPool "eu": 1 of 1 places taken on the endpoint that matches; capacity.maxSessions',
    alsoAt: [],
    warnings: ["WhatsAppDevice/ann CapacityFull"],
    mend: async ({ shop }) => await shop.applyPool({ members: [proxyMember("px", { capacity: { maxSessions: 2 } })] }),
  },
  {
    name: "a PriorityClass that does not exist",
    spoil: async (place) => {
      const template = { priorityClassName: "vip" };
      await place.shop.applyPool({ members: [proxyMember()], sessionPods: { template } });
      await ann(place);
    },
    reason: "PodCreateRefused",
    says: 'EgressPool "eu" spec.sessionPods.template.priorityClassName: pods "eu-px-0" is forbidden: no PriorityClass with name vip',
    alsoAt: [
      ["endpoint", "PodCreateRefused", "no PriorityClass with name vip"],
      ["pool", "NoEndpointReady", 'EgressEndpoint "eu-px" PodCreateRefused: '],
    ],
    warnings: ["EgressEndpoint/eu-px PodCreateRefused", "WhatsAppDevice/ann PodCreateRefused"],
    mend: async (place) =>
      await place.create("/apis/scheduling.k8s.io/v1/priorityclasses", { metadata: { name: "vip" }, value: 1 }),
  },
  {
    name: "a Secret for the proxy's login that does not exist",
    runsPods: true,
    spoil: async (place) => {
      await place.shop.applyPool(waysThroughProxy());
      await ann(place);
    },
    reason: "ProxySecretMissing",
    says: `${field}.credentialsSecretRef: Secret "login"`,
    alsoAt: [
      ["endpoint", "ProxySecretMissing", `${field}.credentialsSecretRef: Secret "login"`],
      ["pool", "NoEndpointReady", 'EgressEndpoint "eu-px" ProxySecretMissing: '],
    ],
    warnings: ["EgressEndpoint/eu-px ProxySecretMissing", "WhatsAppDevice/ann ProxySecretMissing"],
    mend: async (place) => await place.applySecret("login", login),
  },
  {
    name: "a Secret without the key of the password",
    runsPods: true,
    spoil: async (place) => {
      await place.applySecret("login", { username: login.username, pass: login.password });
      await place.shop.applyPool(waysThroughProxy());
      await ann(place);
    },
    reason: "ProxySecretKeyMissing",
    says: "the proxy's Secret has no key password",
    alsoAt: [
      ["endpoint", "ProxySecretKeyMissing", `${field}.credentialsSecretRef: Secret "login"`],
      ["pool", "NoEndpointReady", 'EgressEndpoint "eu-px" ProxySecretKeyMissing: '],
    ],
    warnings: ["EgressEndpoint/eu-px ProxySecretKeyMissing", "WhatsAppDevice/ann ProxySecretKeyMissing"],
    mend: async (place) => await place.applySecret("login", login),
  },
];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wa-bad-input-"));
  simulator = await startSimulator({ tlsPort: 0 });
  proxy = await socksProxy({ ...login, upstreamPort: Number(new URL(simulator.wssUrl).port) });
  server = await startApiServer();
  await server.applyCrds();
  await seed(server, `sqlite://${join(folder, "store.sqlite")}`);
  const metricsPort = await freePort();
  metricsUrl = `http://127.0.0.1:${metricsPort}/metrics`;
  operator = new OperatorProcess({
    KUBECONFIG: server.kubeconfig,
    POD_NAME: operatorPod,
    POD_NAMESPACE: system,
    SESSION_IMAGE: "session:1",
    STORE_SECRET: storeSecret,
    HUB_PORT: String(await freePort()),
    METRICS_PORT: String(metricsPort),
    WHATSAPP_URL: simulator.wssUrl,
    WHATSAPP_ROOT_KEY: simulator.rootKeyHex,
    WHATSAPP_CA_BUNDLE: simulator.caPem,
  });
  await Promise.all(
    rows.map(async ({ name, runsPods, spoil }) => {
      const place = await Place.open(server);
      places.set(name, place);
      if (runsPods) place.runPods();
      await spoil(place);
    }),
  );
});
afterAll(async () => {
  await Promise.all([...places.values()].map(async (place) => await place[Symbol.asyncDispose]()));
  await operator[Symbol.asyncDispose]();
  await server.stop();
  await proxy.close();
  await simulator[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

function placeOf({ name }: Row): Place {
  const place = places.get(name);
  if (place === undefined) throw new Error(`no place for ${name}`);
  return place;
}

const readyOf = (object: { readonly status: { readonly conditions: readonly Condition[] } }) =>
  conditionOf(object.status, "Ready");

describe("what is wrong stands where its owner looks, by field and value", () => {
  it.each(rows)("$name: $reason", async (row) => {
    const { shop } = placeOf(row);
    const wanted = (reason: string, says: string) => ({
      status: "False",
      reason,
      message: expect.stringContaining(says),
    });
    await eventually(async () => {
      expect(readyOf(await shop.device("ann"))).toMatchObject(wanted(row.reason, row.says));
      for (const [kind, reason, says] of row.alsoAt)
        expect(readyOf(await (kind === "pool" ? shop.pool() : shop.endpoint()))).toMatchObject(wanted(reason, says));
      expect((await placeOf(row).warnings()).map(([what]) => what)).toEqual(row.warnings);
    }, 60_000);
    for (const [what, note] of await placeOf(row).warnings())
      if (what === `WhatsAppDevice/ann ${row.reason}`) expect(note).toContain(row.says);
  });
});

it("then all is quiet: nothing is written, hardly anything is looked at, no Event is added", async () => {
  const before = await seen();
  const quietMs = 6_000;
  await delay(quietMs);
  const after = await seen();
  expect(after.objects).toEqual(before.objects);
  expect(after.warnings).toEqual(before.warnings);
  // The refused pod is tried again every 15 s; nothing else has a reason.
  expect(after.reconciles - before.reconciles).toBeLessThanOrEqual(4);
});

async function seen() {
  const all = [...places.values()];
  const objects = (await Promise.all(all.map(async ({ shop }) => await shop.versions()))).flat();
  const warnings = (await Promise.all(all.map(async (place) => await place.warnings()))).flat();
  return { objects, warnings, reconciles: await countOf("controller_runtime_reconcile_total") };
}

/** Sum of a counter of the operator over all its labels. */
async function countOf(metric: string): Promise<number> {
  const text = await (await fetch(metricsUrl)).text();
  const values = text.split("\n").filter((line) => line.startsWith(`${metric}{`));
  expect(values.length, text.slice(0, 500)).toBeGreaterThan(0);
  return values.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

describe("once mended it goes on by itself", () => {
  it.each(rows)("$name", async (row) => {
    const place = placeOf(row);
    await row.mend(place);
    await eventually(async () => {
      const { status } = await place.shop.device("ann");
      const said = `${readyOf({ status })?.message} ${place.podLog.slice(-1500)}`;
      expect(conditionOf(status, "Scheduled"), said).toMatchObject({ status: "True" });
      expect((await place.shop.pods()).map(({ name }) => name)).toContain(status.assignment?.pod);
      if (row.runsPods) expect(status.qr?.code, said).toBeDefined();
    }, 60_000);
  });
});
