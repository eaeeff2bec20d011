import { setTimeout as delay } from "node:timers/promises";
import { hubAudience, linkVersion, podEnv, SessionReport, type Assignment } from "@wa/schema";
import { pino } from "pino";
import { z } from "zod";
import { keyOf } from "../src/kube/object.ts";
import type { Transport } from "../src/kube/transport.ts";
import { HubLink, type LeaderFrame } from "../../session-pod/src/link/hub-link.ts";

const PodList = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string(), namespace: z.string(), uid: z.string() }),
      spec: z.object({
        containers: z.array(z.object({ env: z.array(z.object({ name: z.string(), value: z.string().default("") })) })),
      }),
    }),
  ),
});
type Pod = z.infer<typeof PodList>["items"][number];
const Token = z.object({ status: z.object({ token: z.string() }) });
const pollMs = 250;

/** Which pod runs a device, by the device's key: two at once would destroy each other's credentials. */
type Sessions = Map<string, string>;

/** Plays every session pod of a namespace: the session pod's own link, and no session behind it. */
export class StubPods implements AsyncDisposable {
  /** What went wrong, a device that two pods ran at once above all. */
  readonly faults: string[] = [];
  readonly #sessions: Sessions = new Map();
  readonly #transport: Transport;
  readonly #namespace: string;
  readonly #hubUrl: string;
  readonly #pods = new Map<string, StubPod>();
  readonly #stopped = new AbortController();
  readonly #working: Promise<void>;

  constructor(transport: Transport, namespace: string, hubUrl: string) {
    this.#transport = transport;
    this.#namespace = namespace;
    this.#hubUrl = hubUrl;
    this.#working = this.#work();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped.abort();
    await this.#working;
    await Promise.all([...this.#pods.values()].map(async (pod) => await pod.close()));
  }

  async #work(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      await this.#sync().catch((error: unknown) => this.faults.push(String(error)));
      await delay(pollMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async #sync(): Promise<void> {
    const path = `/api/v1/namespaces/${this.#namespace}/pods`;
    const { items } = PodList.parse(await this.#transport.call({ method: "GET", path }));
    const alive = new Set(items.map(({ metadata }) => metadata.uid));
    for (const [uid, pod] of this.#pods) if (!alive.has(uid)) await this.#end(uid, pod);
    for (const pod of items) if (!this.#pods.has(pod.metadata.uid)) await this.#begin(pod, path);
  }

  async #end(uid: string, pod: StubPod): Promise<void> {
    this.#pods.delete(uid);
    await pod.close();
  }

  async #begin(pod: Pod, path: string): Promise<void> {
    const { name, uid } = pod.metadata;
    const contentType = "application/merge-patch+json";
    const status = { status: { phase: "Running" } };
    await this.#transport.call({ method: "PATCH", path: `${path}/${name}/status`, contentType, body: status });
    const readToken = async () => await this.#token(name, uid);
    const options = { hubUrl: this.#hubUrl, readToken, sessions: this.#sessions, faults: this.faults };
    this.#pods.set(uid, new StubPod(pod, options));
  }

  async #token(name: string, uid: string): Promise<string> {
    const spec = { audiences: [hubAudience], boundObjectRef: { kind: "Pod", apiVersion: "v1", name, uid } };
    const body = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec };
    const path = `/api/v1/namespaces/${this.#namespace}/serviceaccounts/default/token`;
    return Token.parse(await this.#transport.call({ method: "POST", path, body })).status.token;
  }
}

interface StubPodOptions {
  readonly hubUrl: string;
  readonly readToken: () => Promise<string>;
  readonly sessions: Sessions;
  readonly faults: string[];
}

class StubPod {
  readonly #link: HubLink;
  readonly #name: string;
  readonly #options: StubPodOptions;
  readonly #reports = new Map<string, SessionReport>();

  constructor({ metadata, spec }: Pod, options: StubPodOptions) {
    const { hubUrl, readToken } = options;
    this.#name = metadata.name;
    this.#options = options;
    const env = (name: string): string => spec.containers[0]?.env.find((each) => each.name === name)?.value ?? "";
    const pod = { namespace: metadata.namespace, name: metadata.name, uid: metadata.uid, node: "" };
    const endpoint = env(podEnv.endpoint);
    this.#link = new HubLink({
      url: hubUrl,
      caPem: env(podEnv.hubCa),
      readToken,
      log: pino({ level: "silent" }),
      snapshot: () => {
        const sessions = [...this.#reports.values()];
        return {
          hello: { kind: "hello", version: linkVersion, endpoint, pod, sessions, selfGranted: [], abilities: [] },
          egress: { kind: "egress", observedIPs: [] },
          queue: { kind: "grant-request", requests: [] },
        };
      },
      onWelcome: () => undefined,
      onFrame: (frame) => this.#told(frame),
      onHeard: () => undefined,
    });
    this.#link.start();
  }

  async close(): Promise<void> {
    for (const report of this.#reports.values()) this.#left(report);
    await this.#link.close();
  }

  #told(frame: LeaderFrame): void {
    if (frame.kind !== "assign") return;
    const wanted = new Set(frame.assignments.map(({ device }) => device.uid));
    for (const [uid, report] of this.#reports) if (!wanted.has(uid)) this.#release(report);
    for (const assignment of frame.assignments) {
      const before = this.#reports.get(assignment.device.uid);
      if (before?.epoch !== assignment.epoch || before.state === "Released") this.#connect(assignment);
    }
  }

  #connect(assignment: Assignment): void {
    const { sessions, faults } = this.#options;
    const key = keyOf(assignment.device);
    const other = sessions.get(key) ?? this.#name;
    if (other !== this.#name) faults.push(`${key} runs in ${other} and in ${this.#name}`);
    sessions.set(key, this.#name);
    this.#say(connected(assignment));
  }

  #release(report: SessionReport): void {
    if (report.state === "Released") return;
    this.#left(report);
    this.#say(SessionReport.parse({ device: report.device, epoch: report.epoch, state: "Released", paired: true }));
  }

  #left({ device }: SessionReport): void {
    const { sessions } = this.#options;
    if (sessions.get(keyOf(device)) === this.#name) sessions.delete(keyOf(device));
  }

  #say(report: SessionReport): void {
    this.#reports.set(report.device.uid, report);
    this.#link.sendSession(report);
  }
}

function connected({ device, epoch }: Assignment): SessionReport {
  return SessionReport.parse({
    device,
    epoch,
    state: "Connected",
    paired: true,
    generation: 1,
    identity: { jid: "33600000000:1@s.whatsapp.net", lid: "1:1@lid", pushName: "Stub", platform: "android" },
    connectedSince: new Date().toISOString(),
    observedIP: "192.0.2.7",
    clientVersion: "2.3000.1",
  });
}
