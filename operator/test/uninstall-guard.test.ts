import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { pino } from "pino";
import { Registry } from "prom-client";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { z } from "zod";
import { childEnvironment } from "../../session-pod/test/child-environment.ts";
import { wallAndMonotonic } from "../src/controllers/context.ts";
import { uninstall } from "../src/controllers/uninstall.ts";
import { Elector } from "../src/kube/lease.ts";
import { leases } from "../src/kube/lease-state.ts";
import { createKubeMetrics } from "../src/kube/metrics.ts";
import { resource } from "../src/kube/resource.ts";
import { startApiServer, type ApiServer } from "./api-server.ts";
import { helm, chart, one, templateOf } from "./chart.ts";
import { eventually } from "./eventually.ts";
import { documentsOf, serverSideApply } from "./server-side-apply.ts";
import { Stage } from "./stage.ts";

/** The uninstall's Job beside operators that live: its own program, with the environment and the rights that the chart gives it. */
let server: ApiServer;
let stage: Stage;
let podUid: string;
const system = "wa-system";
const name = "wa-whatsapp-operator";
const program = join(import.meta.dirname, "../src/main.ts");
const quick = { durationMs: 2_000, renewDeadlineMs: 1_500, retryMs: 200 };
const silent = pino({ level: "silent" });

beforeAll(async () => {
  server = await startApiServer();
  await server.applyCrds();
  await server.createNamespace(system);
  await server.createNamespace("elsewhere");
  stage = await Stage.set(server);
  await stage.shop.applyPool();
  await stage.shop.applyDevice("ann", { deletionPolicy: "Logout" });
  podUid = await stage.connected("ann");
});
afterAll(async () => {
  await stage[Symbol.asyncDispose]();
  await server.stop();
});

const call = async (method: "GET" | "POST" | "PATCH" | "DELETE", path: string, body?: unknown): Promise<unknown> =>
  await server.transport.call({
    method,
    path,
    ...(body === undefined ? {} : { body }),
    ...(method === "PATCH" ? { contentType: "application/merge-patch+json" } : {}),
  });
const deployments = (namespace: string) => `/apis/apps/v1/namespaces/${namespace}/deployments`;

/** An operator's Deployment as the chart renders it, until the test ends. */
async function deploy(namespace = system, replicas = 2): Promise<void> {
  const flags = [
    "-n",
    namespace,
    "--show-only",
    "templates/operator.yaml",
    "--set",
    `replicas=${Math.max(replicas, 1)}`,
  ];
  const found = documentsOf(helm("template", "wa", chart, ...flags)).find(({ kind }) => kind === "Deployment");
  if (found === undefined) throw new Error("no Deployment");
  await serverSideApply(server.transport, found, { namespace, isDryRun: false });
  await call("PATCH", `${deployments(namespace)}/${name}`, { spec: { replicas } });
  onTestFinished(async () => {
    await call("PATCH", `${deployments(namespace)}/${name}`, { metadata: { finalizers: null } }).catch(() => undefined);
    await call("DELETE", `${deployments(namespace)}/${name}`).catch(() => undefined);
  });
}

const Token = z.object({ status: z.object({ token: z.string() }) });

/** The Job's container: what `helm template` gives it, and no right more than its service account has. */
async function runJob(): Promise<{ readonly code: number | null; readonly log: string }> {
  const text = helm("template", "wa", chart, "-n", system, "--show-only", "templates/uninstall.yaml");
  for (const document of documentsOf(text).filter(({ kind }) => kind !== "Job"))
    await serverSideApply(server.transport, document, { namespace: system, isDryRun: false });
  const { containers } = templateOf(one(text, "Job", `${name}-uninstall`)).spec;
  const env = (containers[0]?.env ?? []).flatMap(({ name: key, value }) => (value === undefined ? [] : [[key, value]]));
  const path = `/api/v1/namespaces/${system}/serviceaccounts/${name}-uninstall/token`;
  const { token } = Token.parse(await call("POST", path, { spec: {} })).status;
  const kubeconfig = join(dirname(server.kubeconfig), "uninstall.json");
  await writeFile(kubeconfig, (await readFile(server.kubeconfig, "utf8")).replace(server.token, token));
  const own = { KUBECONFIG: kubeconfig, POD_NAME: `${name}-uninstall-x`, POD_NAMESPACE: system };
  const child = spawn(process.execPath, ["--conditions=source", program, "uninstall"], {
    env: { ...Object.fromEntries(env), ...own, ...childEnvironment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let log = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => (log += chunk.toString("utf8")));
  await once(child, "close");
  return { code: child.exitCode, log };
}

async function nothingIsGone(): Promise<void> {
  const { shop } = stage;
  const { status, metadata } = await shop.device("ann");
  expect([status.phase, status.assignment?.podUID, metadata.finalizers.length]).toEqual(["Connected", podUid, 1]);
  expect((await shop.pods()).map(({ uid, isTerminating }) => [uid, isTerminating])).toEqual([[podUid, false]]);
  expect((await shop.endpoint()).metadata.uid).toBeDefined();
}

describe("rendered as a plain object, it removes nothing", () => {
  it("beside its own operator, and says what to leave out", async () => {
    await deploy();
    const { code, log } = await runJob();
    await nothingIsGone();
    expect(code).toBe(1);
    expect(log).toContain("the operator's Deployment wa-system/wa-whatsapp-operator is there");
    expect(log).toContain("uninstallJob: false");
  });

  it("beside one that is scaled to 0 for a restore, whose Lease is long over", async () => {
    await deploy(system, 0);
    expect((await runJob()).code).toBe(1);
    await nothingIsGone();
  });

  it("beside the operator of another release, which looks after the devices", async () => {
    await deploy("elsewhere");
    const { code, log } = await runJob();
    await nothingIsGone();
    expect(code).toBe(0);
    expect(log).toContain("Deployment elsewhere/wa-whatsapp-operator looks after this cluster's devices");
  });
});

const self = { podName: "uninstall-0", podNamespace: system, leaseName: name };
const options = () => ({
  transport: server.transport,
  kubeMetrics: createKubeMetrics(new Registry()),
  logger: silent,
  self,
  timing: quick,
});

/** An operator that runs without a Deployment, or whose Deployment was deleted and left it behind. */
function reign(): Elector {
  return new Elector({
    transport: server.transport,
    metrics: createKubeMetrics(new Registry()),
    logger: silent,
    timing: quick,
    lease: { namespace: system, name },
    identity: "op-0",
    onLeading: () => undefined,
    onLost: () => undefined,
  });
}

describe("without a Deployment", () => {
  it("it removes nothing while the Lease is renewed, and says by whom", async () => {
    const operator = reign();
    onTestFinished(async () => await operator.stop());
    await eventually(() => expect(operator.term).toBeDefined());
    await expect(uninstall({ ...options(), patienceMs: 6_000 }, wallAndMonotonic())).rejects.toThrow(
      `the Lease ${system}/${name} is renewed by "op-0"`,
    );
    await nothingIsGone();
    expect(operator.term).toBeDefined();
  });

  it("it waits for a Deployment that is being deleted, and removes nothing where that comes back", async () => {
    await deploy();
    await call("PATCH", `${deployments(system)}/${name}`, { metadata: { finalizers: ["foregroundDeletion"] } });
    await call("DELETE", `${deployments(system)}/${name}`);
    const outcome = uninstall({ ...options(), patienceMs: 20_000 }, wallAndMonotonic());
    const refused = expect(outcome).rejects.toThrow(`Deployment ${system}/${name} is there`);
    await delay(1_500);
    await nothingIsGone();
    await call("PATCH", `${deployments(system)}/${name}`, { metadata: { finalizers: null } });
    await deploy();
    await refused;
    await nothingIsGone();
  });

  it("it stops where an operator is installed while it waits for the Lease", async () => {
    const lease = resource(server.transport, leases);
    const found = await lease.get({ namespace: system, name });
    const spec = { holderIdentity: "crashed", leaseDurationSeconds: 4, renewTime: "2026-01-01T00:00:00.000000Z" };
    if (found === undefined) await lease.create({ metadata: { namespace: system, name }, spec });
    else await lease.mergePatch({ namespace: system, name }, { spec });
    const outcome = uninstall({ ...options(), patienceMs: 20_000 }, wallAndMonotonic());
    const refused = expect(outcome).rejects.toThrow("an operator is there again");
    await delay(1_500);
    await deploy();
    await refused;
    await nothingIsGone();
    expect((await lease.get({ namespace: system, name }))?.spec.holderIdentity).toBe("");
  });
});

it("last: after the deletion it removes all of it with the rights that it has, and lets the Lease go", async () => {
  await stage[Symbol.asyncDispose]();
  const { code, log } = await runJob();
  expect(code, log).toBe(0);
  expect((await stage.shop.device("ann")).metadata.finalizers).toEqual([]);
  await expect(stage.shop.endpoint()).rejects.toThrow("does not exist");
  const lease = await resource(server.transport, leases).get({ namespace: system, name });
  expect(lease?.spec.holderIdentity).toBe("");
});
