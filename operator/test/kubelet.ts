import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { podPaths } from "@wa/schema";
import { z } from "zod";
import { isNotFound } from "../src/kube/api-error.ts";
import type { Transport } from "../src/kube/transport.ts";
import { MountedSecret } from "./mounted-secret.ts";
import { podToken } from "./pod-token.ts";

const EnvVar = z.object({
  name: z.string(),
  value: z.string().optional(),
  valueFrom: z.object({ fieldRef: z.object({ fieldPath: z.string() }) }).optional(),
});
const PodObject = z.object({
  metadata: z.object({ name: z.string(), namespace: z.string(), uid: z.string() }),
  spec: z.object({
    nodeName: z.string().optional(),
    containers: z
      .array(
        z.object({
          env: z.array(EnvVar).default([]),
          command: z.array(z.string()).default([]),
          volumeMounts: z.array(z.object({ name: z.string(), mountPath: z.string() })).default([]),
        }),
      )
      .min(1),
    volumes: z
      .array(z.object({ name: z.string(), secret: z.object({ secretName: z.string() }).optional() }))
      .default([]),
  }),
});
type PodObject = z.infer<typeof PodObject>;
const PodList = z.object({ items: z.array(PodObject) });
const SecretObject = z.object({ data: z.record(z.string(), z.string()).default({}) });

const sources = join(import.meta.dirname, "../../session-pod/src/main.ts");

export interface KubeletOptions {
  /** What the session image would run; by default the sources. */
  readonly entrypoint?: readonly string[];
  /** What the image sets; the pod's own environment wins. */
  readonly imageEnvironment?: Readonly<Record<string, string>>;
  readonly pollMs?: number;
}

interface Container {
  readonly process: ChildProcess;
  /** When it was started, by the clock of `performance.now()`. */
  readonly startedMs: number;
}

interface RunningPod {
  readonly object: PodObject;
  readonly root: string;
  readonly secrets: readonly MountedSecret[];
  container: Container;
  log: string;
}

function secretsOf({ spec }: PodObject, root: string): MountedSecret[] {
  const mounts = spec.containers[0]?.volumeMounts ?? [];
  return spec.volumes.flatMap(({ name, secret }) => {
    const path = mounts.find((mount) => mount.name === name)?.mountPath;
    return secret === undefined || path === undefined ? [] : [new MountedSecret(secret.secretName, join(root, path))];
  });
}

/** The kubelet's part for session pods of one namespace: each pod object becomes a process, with the environment and token that the object asks for. */
export class Kubelet implements AsyncDisposable {
  readonly #transport: Transport;
  readonly #namespace: string;
  readonly #pods = new Map<string, RunningPod>();
  readonly #stopped = new AbortController();
  readonly #working: Promise<void>;
  readonly #entrypoint: readonly string[];
  readonly #imageEnvironment: Readonly<Record<string, string>>;
  readonly #pollMs: number;
  /** Everything that the containers printed. */
  log = "";

  constructor(transport: Transport, namespace: string, options: KubeletOptions = {}) {
    this.#transport = transport;
    this.#namespace = namespace;
    const strip = ["--conditions=source", "--disable-warning=ExperimentalWarning"];
    this.#entrypoint = options.entrypoint ?? [process.execPath, ...strip, sources];
    this.#imageEnvironment = options.imageEnvironment ?? {};
    this.#pollMs = options.pollMs ?? 100;
    this.#working = this.#work();
  }

  get podNames(): readonly string[] {
    return [...this.#pods.values()].map(({ object }) => object.metadata.name);
  }

  get containers(): readonly { readonly pod: string; readonly pid: number; readonly startedMs: number }[] {
    return [...this.#pods.values()].map(({ object, container }) => ({
      pod: object.metadata.name,
      pid: container.process.pid ?? 0,
      startedMs: container.startedMs,
    }));
  }

  /** What the containers of a pod printed. */
  logOf(name: string): string {
    return [...this.#pods.values()].find(({ object }) => object.metadata.name === name)?.log ?? "";
  }

  /** Kills a container with its processes; it is started again, as restartPolicy says, with the pod's folders as they were. */
  async crash(): Promise<void> {
    for (const pod of this.#pods.values()) {
      pod.container.process.kill("SIGKILL");
      await once(pod.container.process, "exit");
      pod.container = this.#start(pod.object, pod.root);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped.abort();
    await this.#working;
    for (const uid of this.#pods.keys()) await this.#end(uid, "SIGKILL");
  }

  async #work(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      await this.#sync().catch((error: unknown) => (this.log += `${String(error)}\n`));
      await delay(this.#pollMs, undefined, { signal: this.#stopped.signal }).catch(() => undefined);
    }
  }

  async #sync(): Promise<void> {
    const path = `/api/v1/namespaces/${this.#namespace}/pods`;
    const { items } = PodList.parse(await this.#transport.call({ method: "GET", path }));
    const wanted = new Set(items.map(({ metadata }) => metadata.uid));
    for (const uid of this.#pods.keys()) if (!wanted.has(uid)) await this.#end(uid, "SIGTERM");
    for (const object of items) if (!this.#pods.has(object.metadata.uid)) await this.#begin(object);
    for (const { secrets } of this.#pods.values()) for (const secret of secrets) await this.#bring(secret);
  }

  /** A changed Secret arrives in its pods, here at the next poll. Absent: the folder is empty, because the mount is optional. */
  async #bring(secret: MountedSecret): Promise<void> {
    const path = `/api/v1/namespaces/${this.#namespace}/secrets/${secret.name}`;
    const found = await this.#transport.call({ method: "GET", path }).catch((error: unknown) => {
      if (isNotFound(error)) return {};
      throw error;
    });
    await secret.become(SecretObject.parse(found).data);
  }

  async #begin(object: PodObject): Promise<void> {
    const root = await mkdtemp(join(tmpdir(), "wa-kubelet-"));
    for (const folder of [podPaths.tokenFolder, podPaths.stateFolder, podPaths.proxyFolder])
      await mkdir(join(root, folder), { recursive: true });
    await writeFile(join(root, podPaths.token), await podToken(this.#transport, object.metadata));
    const secrets = secretsOf(object, root);
    for (const secret of secrets) await this.#bring(secret);
    const contentType = "application/merge-patch+json";
    const path = `/api/v1/namespaces/${this.#namespace}/pods/${object.metadata.name}/status`;
    await this.#transport.call({ method: "PATCH", path, contentType, body: { status: { phase: "Running" } } });
    this.#pods.set(object.metadata.uid, { object, root, secrets, log: "", container: this.#start(object, root) });
  }

  #start({ metadata, spec }: PodObject, root: string): Container {
    const fields: Readonly<Record<string, string>> = {
      "metadata.name": metadata.name,
      "metadata.namespace": metadata.namespace,
      "metadata.uid": metadata.uid,
      "spec.nodeName": spec.nodeName ?? "node-a",
    };
    const given = (spec.containers[0]?.env ?? []).map(({ name, value, valueFrom }) => [
      name,
      value ?? fields[valueFrom?.fieldRef.fieldPath ?? ""] ?? "",
    ]);
    const env: Record<string, string> = Object.fromEntries(given);
    // There is no cluster DNS here; the certificate names localhost too.
    const hubUrl = (env["WA_HUB_URL"] ?? "").replace(/\/\/[^:]+:/, "//localhost:");
    const asked = spec.containers[0]?.command ?? [];
    const own = [...this.#entrypoint, "--root", root, "--http-port", "0"];
    const [command = "", ...args] = asked.length > 0 ? asked : own;
    const startedMs = performance.now();
    const child = spawn(command, args, {
      env: { ...this.#imageEnvironment, ...env, WA_HUB_URL: hubUrl, PATH: process.env["PATH"] },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => this.#printed(metadata.uid, chunk.toString("utf8")));
    return { process: child, startedMs };
  }

  #printed(uid: string, text: string): void {
    this.log += text;
    const pod = this.#pods.get(uid);
    if (pod !== undefined) pod.log += text;
  }

  async #end(uid: string, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const pod = this.#pods.get(uid);
    if (pod === undefined) return;
    this.#pods.delete(uid);
    const { process: child } = pod.container;
    child.kill(signal);
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    await rm(pod.root, { recursive: true, force: true });
  }
}
