import { spawn, type ChildProcess } from "node:child_process";
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { closeSync, existsSync, openSync } from "node:fs";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Registry } from "prom-client";
import { loadClusterAccess } from "../src/kube/kubeconfig.ts";
import { createKubeMetrics } from "../src/kube/metrics.ts";
import { connectTransport, type Transport } from "../src/kube/transport.ts";
import { applyManifests } from "./manifests.ts";

/**
 * A real kube-apiserver with etcd, as processes on loopback: what a cluster does with our objects, without kubelets and
 * controllers. So nothing garbage-collects, schedules or runs a pod, and finalizers of namespaces are nobody's.
 */
export interface ApiServer {
  /** Path of a kubeconfig with every right. */
  readonly kubeconfig: string;
  readonly url: string;
  /** Bearer token of the kubeconfig's user (system:masters). */
  readonly token: string;
  /** With the kubeconfig's rights; closed by {@link ApiServer.stop}. */
  readonly transport: Transport;
  /** Applies crds/*.yaml and waits until the API server serves them. */
  applyCrds(): Promise<void>;
  /** A namespace with its `default` service account, which no controller makes here. */
  createNamespace(name?: string): Promise<string>;
  /** Drops etcd's whole history: every older resourceVersion is expired, for watches that the API server no longer caches. */
  compactEtcd(): Promise<void>;
  /** Stops etcd, copies its data as they are, and starts it again; the copy's path. */
  copyEtcd(): Promise<string>;
  /** Puts etcd back to that copy, with kube-apiserver stopped, as the docs of Kubernetes ask for. */
  putEtcdBack(copy: string): Promise<void>;
  /** Stops kube-apiserver, runs `whileDown`, starts it again on the same port with an empty watch cache. */
  restart(whileDown?: () => Promise<void>, accounts?: ServiceAccountSetup): Promise<void>;
  /** The key that it signs service accounts' tokens with, as PEM. */
  signingKey(): Promise<string>;
  stop(): Promise<void>;
}

/** How it makes tokens and which ones it takes. */
interface ServiceAccountSetup {
  /** The first one stands in new tokens; all are accepted. */
  readonly issuers?: readonly string[];
  /** Signs with a key that it did not have before; the one of before is still accepted. */
  readonly isKeyNew?: boolean;
}

const binaries = join(process.env["CACHE"] ?? join(homedir(), ".cache", "wa-cluster"), "bin");
const startDeadlineMs = 60_000;
/** kube-apiserver waits for open watches for up to a minute; nothing here is worth that. */
const stopGraceMs = 1_000;
const host = "127.0.0.1";

export async function startApiServer(): Promise<ApiServer> {
  for (const name of ["etcd", "kube-apiserver"])
    if (!existsSync(join(binaries, name)))
      throw new Error(`${join(binaries, name)} is missing: run manifests/cluster/build-binaries.sh control-plane`);
  const folder = await mkdtemp(join(tmpdir(), "wa-api-server-"));
  const [etcdPort, peerPort, apiPort] = await freePorts(3);
  const token = randomUUID();
  const layout = { folder, token, etcdUrl: `http://${host}:${etcdPort}`, apiPort: apiPort ?? 0 };
  await writeCredentials(layout);
  let etcd = launch(folder, "etcd", etcdFlags(layout, `http://${host}:${peerPort}`));
  let apiServer = launch(folder, "kube-apiserver", apiServerFlags(layout));
  const connection = await whenReady(layout, () => apiServer);
  const stop = async () => {
    await connection.close();
    await end(apiServer);
    await end(etcd);
    await rm(folder, { recursive: true, force: true });
  };
  return {
    kubeconfig: kubeconfigPath(folder),
    url: urlOf(layout),
    token,
    transport: connection,
    applyCrds: async () => await applyManifests(connection, join(import.meta.dirname, "../../crds")),
    createNamespace: async (name = `test-${randomUUID().slice(0, 8)}`) => await createNamespace(connection, name),
    copyEtcd: async () => {
      const copy = join(folder, `etcd-copy-${randomUUID().slice(0, 8)}`);
      await end(etcd);
      await cp(join(folder, "etcd"), copy, { recursive: true });
      etcd = launch(folder, "etcd", etcdFlags(layout, `http://${host}:${peerPort}`));
      await (await whenReady(layout, () => apiServer)).close();
      return copy;
    },
    putEtcdBack: async (copy) => {
      await end(apiServer);
      await end(etcd);
      await rm(join(folder, "etcd"), { recursive: true });
      await cp(copy, join(folder, "etcd"), { recursive: true });
      etcd = launch(folder, "etcd", etcdFlags(layout, `http://${host}:${peerPort}`));
      apiServer = launch(folder, "kube-apiserver", apiServerFlags(layout));
      await (await whenReady(layout, () => apiServer)).close();
    },
    compactEtcd: async () => await compact(layout.etcdUrl),
    signingKey: async () => await readFile(join(folder, signingKeyOf({})), "utf8"),
    restart: async (whileDown, accounts) => {
      await end(apiServer);
      await whileDown?.();
      if (accounts?.isKeyNew === true) await writeKey(join(folder, signingKeyOf(accounts)));
      apiServer = launch(folder, "kube-apiserver", apiServerFlags(layout, accounts));
      await (await whenReady(layout, () => apiServer)).close();
    },
    stop,
  };
}

interface Layout {
  readonly folder: string;
  readonly token: string;
  readonly etcdUrl: string;
  readonly apiPort: number;
}

const urlOf = ({ apiPort }: Layout) => `https://${host}:${apiPort}`;
const kubeconfigPath = (folder: string) => join(folder, "kubeconfig.json");

function etcdFlags({ folder, etcdUrl }: Layout, peerUrl: string): readonly string[] {
  return [
    `--data-dir=${join(folder, "etcd")}`,
    `--listen-client-urls=${etcdUrl}`,
    `--advertise-client-urls=${etcdUrl}`,
    `--listen-peer-urls=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    `--initial-cluster=default=${peerUrl}`,
    "--unsafe-no-fsync",
    "--log-level=error",
  ];
}

const signingKeyOf = ({ isKeyNew = false }: ServiceAccountSetup) =>
  isKeyNew ? "service-accounts-new.pem" : "service-accounts.pem";

function apiServerFlags(layout: Layout, accounts: ServiceAccountSetup = {}): readonly string[] {
  const { issuers = ["https://kubernetes.default.svc.cluster.local"] } = accounts;
  const signingKey = signingKeyOf(accounts);
  const file = (name: string) => join(layout.folder, name);
  return [
    `--etcd-servers=${layout.etcdUrl}`,
    `--bind-address=${host}`,
    `--advertise-address=${host}`,
    `--secure-port=${layout.apiPort}`,
    `--cert-dir=${file("certificates")}`,
    `--token-auth-file=${file("tokens.csv")}`,
    "--authorization-mode=RBAC",
    "--service-cluster-ip-range=10.96.0.0/16",
    ...issuers.map((issuer) => `--service-account-issuer=${issuer}`),
    `--service-account-signing-key-file=${file(signingKey)}`,
    ...[...new Set([signingKey, signingKeyOf({})])].map((name) => `--service-account-key-file=${file(name)}`),
    "--allow-privileged=true",
    "--endpoint-reconciler-type=none",
    "--shutdown-delay-duration=0s",
    "--profiling=false",
  ];
}

async function writeCredentials(layout: Layout): Promise<void> {
  await writeKey(join(layout.folder, signingKeyOf({})));
  await writeFile(join(layout.folder, "tokens.csv"), `${layout.token},test-admin,test-admin,"system:masters"\n`);
}

async function writeKey(path: string): Promise<void> {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  await writeFile(path, privateKey.export({ type: "pkcs1", format: "pem" }));
}

/** kube-apiserver makes its serving certificate at its first start; that file holds the certificate's authority too. */
async function writeKubeconfig(layout: Layout): Promise<string> {
  const authority = await readFile(join(layout.folder, "certificates", "apiserver.crt"));
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      {
        name: "test",
        cluster: { server: urlOf(layout), "certificate-authority-data": authority.toString("base64") },
      },
    ],
    users: [{ name: "test", user: { token: layout.token } }],
    contexts: [{ name: "test", context: { cluster: "test", user: "test" } }],
    "current-context": "test",
  };
  const path = kubeconfigPath(layout.folder);
  await writeFile(path, JSON.stringify(config));
  return path;
}

/**
 * Runs a server until SIGTERM or until its standard input ends, which happens also when this process is killed: a test
 * runner kills its workers without a word, and no exit handler runs then. Who ends the whole group of processes ends the worker
 * too: the watcher stays for that.
 */
const untilOrphaned = `
exec 3<&0
"$@" 3<&- & server=$!
(trap '' TERM; cat <&3 >/dev/null; kill -KILL $server) & watcher=$!
trap 'kill -TERM $server' TERM
wait $server; wait $server
kill -KILL $watcher`;

function launch(folder: string, name: string, flags: readonly string[]): ChildProcess {
  const log = openSync(join(folder, `${name}.log`), "a");
  const child = spawn("sh", ["-c", untilOrphaned, name, join(binaries, name), ...flags], {
    stdio: ["pipe", log, log],
  });
  closeSync(log);
  return child;
}

/** Ready: its checks pass, and the priority classes and namespaces that it makes by itself are there. */
async function whenReady(layout: Layout, child: () => ChildProcess): Promise<Transport> {
  const deadlineMs = performance.now() + startDeadlineMs;
  let last: unknown = "no attempt";
  while (performance.now() < deadlineMs && child().exitCode === null) {
    try {
      const access = await loadClusterAccess(await writeKubeconfig(layout));
      const transport = connectTransport(access, createKubeMetrics(new Registry()));
      await transport.call({ method: "GET", path: "/readyz", deadlineMs: 1_000 }).catch(async (error: unknown) => {
        await transport.close();
        throw error;
      });
      return transport;
    } catch (error) {
      last = error;
      await delay(100);
    }
  }
  const log = await readFile(join(layout.folder, "kube-apiserver.log"), "utf8");
  throw new Error(`kube-apiserver is not ready (${String(last)}); the end of its log:\n${log.slice(-2_000)}`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => {
    child.once("exit", () => {
      resolve();
    });
  });
  child.kill("SIGTERM");
  const kill = setTimeout(() => child.stdin?.end(), stopGraceMs);
  await ended;
  clearTimeout(kill);
}

async function createNamespace(transport: Transport, name: string): Promise<string> {
  await transport.call({ method: "POST", path: "/api/v1/namespaces", body: { metadata: { name } } });
  const path = `/api/v1/namespaces/${name}/serviceaccounts`;
  await transport.call({ method: "POST", path, body: { metadata: { name: "default" } } });
  return name;
}

async function compact(etcdUrl: string): Promise<void> {
  const post = async (path: string, body: unknown): Promise<string> => {
    const response = await fetch(`${etcdUrl}${path}`, { method: "POST", body: JSON.stringify(body) });
    const text = await response.text();
    if (!response.ok) throw new Error(`etcd answered ${response.status} to ${path}: ${text}`);
    return text;
  };
  const range = await post("/v3/kv/range", { key: Buffer.from("/").toString("base64") });
  const revision = /"revision":"([0-9]+)"/.exec(range)?.[1];
  await post("/v3/kv/compaction", { revision, physical: true });
}

/** Ports that were free a moment ago: all are held at once, so they differ. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(Array.from({ length: count }, listenAnywhere));
  const ports = servers.map(({ port }) => port);
  await Promise.all(servers.map(async ({ close }) => await close()));
  return ports;
}

async function listenAnywhere(): Promise<{ readonly port: number; close(): Promise<void> }> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, host, resolve);
  });
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const close = async () => {
    await new Promise((resolve) => server.close(resolve));
  };
  return { port: address.port, close };
}

export async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1);
  return port;
}
