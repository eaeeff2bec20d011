import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { startSimulator, type Simulator } from "@wa/simulator";
import { afterAll, beforeAll, expect, it } from "vitest";
import { z } from "zod";
import { childEnvironment } from "../../session-pod/test/child-environment.ts";
import { freePort, startApiServer, type ApiServer } from "./api-server.ts";
import { Shop } from "./cluster.ts";
import { eventually } from "./eventually.ts";
import { Kubelet } from "./kubelet.ts";
import { OperatorProcess } from "./operator-process.ts";
import { caFile, nodeLabels, operatorPod, seed, storeSecret, system } from "./seed.ts";

/**
 * The main job with everything real but containers: a kube-apiserver, the operator's process, session pods as processes
 * with the environment and token of their pod objects, and the simulator, whose counters judge.
 */
const run = promisify(execFile);
const echoed = "203.0.113.9";
let server: ApiServer;
let simulator: Simulator;
let operator: OperatorProcess;
let kubelet: Kubelet;
let shop: Shop;
let folder: string;
let storeUrl: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wa-whole-"));
  storeUrl = `sqlite://${join(folder, "store.sqlite")}`;
  simulator = await startSimulator({ tlsPort: 0, echoIp: echoed });
  server = await startApiServer();
  await server.applyCrds();
  await seed(server, storeUrl);
  shop = new Shop(server.transport, await server.createNamespace());
  operator = new OperatorProcess({
    KUBECONFIG: server.kubeconfig,
    POD_NAME: operatorPod,
    POD_NAMESPACE: system,
    SESSION_IMAGE: "session:1",
    STORE_SECRET: storeSecret,
    HUB_PORT: String(await freePort()),
    METRICS_PORT: "0",
    WHATSAPP_URL: simulator.wssUrl,
    WHATSAPP_ROOT_KEY: simulator.rootKeyHex,
    WHATSAPP_CA_FILE: await caFile(server, simulator.caPem),
  });
  kubelet = new Kubelet(server.transport, shop.namespace);
  const nodePool = { nodeSelector: nodeLabels };
  await shop.applyPool({
    members: [{ name: "nodes", nodePool }],
    egressIPEndpoints: [`${simulator.controlUrl}/ip`],
    startLimits: generous,
  });
});
afterAll(async () => {
  await kubelet[Symbol.asyncDispose]();
  await operator[Symbol.asyncDispose]();
  await simulator[Symbol.asyncDispose]();
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

const generous = { login: { count: 500, period: "10s" }, registration: { count: 500, period: "10s" } };

async function phaseIs(name: string, phase: string, withinMs = 40_000): Promise<void> {
  await eventually(async () => {
    expect((await shop.device(name)).status.phase, `${kubelet.log.slice(-1500)}${operator.log.slice(-1500)}`).toBe(
      phase,
    );
  }, withinMs);
}

async function qrOf(name: string): Promise<string> {
  await phaseIs(name, "AwaitingPairing");
  const code = (await shop.device(name)).status.qr?.code;
  if (code === undefined) throw new Error(`${name} shows no QR`);
  return code;
}

/** Applies a device, scans its code, and waits for it. */
async function linked(name: string, phone: string, spec: object = {}): Promise<void> {
  await shop.applyDevice(name, spec);
  await simulator.client.scan(phone, await qrOf(name));
  await phaseIs(name, "Connected");
}

const counters = async (phone: string) => (await simulator.client.stats()).devices[`${phone}:1`];
const registrationsNow = async () => (await simulator.client.stats()).registrations;

async function messages(...flags: readonly string[]): Promise<string> {
  const Secret = z.object({ data: z.object({ key: z.string() }) });
  const path = `/api/v1/namespaces/${system}/secrets/whatsapp-operator-master-key`;
  const { data } = Secret.parse(await server.transport.call({ method: "GET", path }));
  const key = Buffer.from(data.key, "base64").toString("utf8");
  const program = join(import.meta.dirname, "../../session-pod/src/messages.ts");
  const place = ["--namespace", shop.namespace, "--installation", `${system}/whatsapp-operator`];
  const { stdout } = await run(
    process.execPath,
    ["--conditions=source", "--disable-warning=ExperimentalWarning", program, ...flags, ...place],
    {
      env: { ...childEnvironment, WA_STORE: storeUrl, WA_MASTER_KEY: key },
    },
  );
  return stdout;
}

it("YAML in, QR in status, scanned, Ready; the observed address is what the echo answered through the way out", async () => {
  await linked("ann", "33600100001");
  const { status } = await shop.device("ann");
  expect(status.conditions.find(({ type }) => type === "Ready")).toMatchObject({ status: "True" });
  expect(status.connection?.observedIP).toBe(echoed);
  expect(status.qr).toBeUndefined();
  expect(await counters("33600100001")).toMatchObject({
    isLinked: true,
    logins: 1,
    socketsNow: 1,
    framesFromOldSocket: 0,
  });
});

it("carries texts both ways: what the peer decrypted is what was put into the outbox, and the other way round", async () => {
  const [there, back] = [`there ${Math.random()}`, `back ${Math.random()}`];
  await messages("send", "--device", "ann", "--to", "+33611111111", "--text", there);
  await eventually(async () => {
    expect((await simulator.client.messages("33611111111")).map(({ text }) => text)).toEqual([there]);
  });
  await simulator.client.text("33611111111", "33600100001", back);
  await eventually(async () => {
    expect(await messages("read", "--device", "ann")).toContain(back);
  });
});

it("an operator that crashed comes back to connected sessions: no reconnect, no second pod", async () => {
  const pods = kubelet.podNames;
  const before = await counters("33600100001");
  await operator.crash();
  await linked("bea", "33600100002");
  expect(kubelet.podNames).toEqual(pods);
  expect(await counters("33600100001")).toMatchObject({ logins: before?.logins, socketsEver: before?.socketsEver });
  await phaseIs("ann", "Connected");
});

it("a session container that was killed brings its devices back by itself, without a QR", async () => {
  const registrations = await registrationsNow();
  await kubelet.crash();
  await eventually(async () => {
    expect((await counters("33600100001"))?.logins).toBe(2);
    expect((await counters("33600100002"))?.logins).toBe(2);
  }, 40_000);
  await phaseIs("ann", "Connected");
  expect(await registrationsNow()).toBe(registrations);
});

it("suspends and resumes without a new QR", async () => {
  const registrations = await registrationsNow();
  await shop.patchDevice("ann", { spec: { suspend: true } });
  await phaseIs("ann", "Suspended");
  await eventually(async () => {
    expect((await counters("33600100001"))?.socketsNow).toBe(0);
  });
  await shop.patchDevice("ann", { spec: { suspend: false } });
  await phaseIs("ann", "Connected");
  expect(await registrationsNow()).toBe(registrations);
});

it("deleted with Retain and applied again: connected, no QR", async () => {
  const registrations = await registrationsNow();
  await shop.deleteDevice("ann");
  await eventually(async () => {
    expect((await counters("33600100001"))?.socketsNow).toBe(0);
  });
  await shop.applyDevice("ann");
  await phaseIs("ann", "Connected");
  expect(await registrationsNow()).toBe(registrations);
});

it("deleted with Logout: the server sees the device removed, and the store holds no credential", async () => {
  await linked("cleo", "33600100003", { deletionPolicy: "Logout" });
  await shop.deleteDevice("cleo");
  await eventually(async () => {
    expect(await shop.hasDevice("cleo")).toBe(false);
  }, 40_000);
  expect((await simulator.client.stats()).removed).toContain("33600100003:1");
  await shop.applyDevice("cleo");
  await qrOf("cleo");
  await shop.deleteDevice("cleo");
});

it("an unscanned device hibernates, and opens again when it is asked to", async () => {
  await shop.applyDevice("dora", { pairing: { window: "20s" } });
  await qrOf("dora");
  await phaseIs("dora", "Hibernated", 60_000);
  const registrations = await registrationsNow();
  await delay(3_000);
  expect(await registrationsNow()).toBe(registrations);
  await shop.patchDevice("dora", { metadata: { annotations: { "whatsapp-operator.io/pair-requested-at": "again" } } });
  await qrOf("dora");
  await shop.deleteDevice("dora");
});

it("an outdated client ends in its cause with advice, and in no loop", async () => {
  await simulator.client.setScenario({ minimumVersion: "2.3000.0" });
  await shop.applyDevice("eve", { client: { version: "2.2413.1" } });
  await phaseIs("eve", "Blocked");
  const { lastDisconnect } = (await shop.device("eve")).status;
  expect(lastDisconnect).toMatchObject({ cause: "ClientOutdated", statusCode: 405 });
  expect(lastDisconnect?.advice).toContain("clientVersion");
  const registrations = await registrationsNow();
  await delay(5_000);
  expect(await registrationsNow()).toBe(registrations);
  await simulator.client.clearScenario();
});
