import { isDeepStrictEqual } from "node:util";
import type { PodFrame, SessionReport } from "@wa/schema";
import type { DesiredSessions, LinkChange, LinkedPod } from "./links.ts";

type Hello = Extract<PodFrame, { kind: "hello" }>;
type Identity = Pick<LinkedPod, "namespace" | "name" | "uid">;
type Refusal = NonNullable<LinkedPod["refusal"]>;
type Egress = Extract<PodFrame, { kind: "egress" }>;

interface Entry {
  pod: LinkedPod;
  /** Devices that this pod was ever wished to run: what it says of others is dropped, so that a stolen token is worth no more. */
  readonly known: Set<string>;
}

/** What the hub knows of every pod that linked since this leader began, and of every wish. No sockets here. */
export class Board {
  readonly #entries = new Map<string, Entry>();
  readonly #wishes = new Map<string, DesiredSessions>();
  readonly #listeners: ((change: LinkChange) => void)[] = [];
  readonly #nowMs: () => number;

  readonly #startedMs: number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#startedMs = nowMs();
  }

  pods(): ReadonlyMap<string, LinkedPod> {
    return new Map([...this.#entries].map(([uid, { pod }]) => [uid, pod]));
  }

  /** Addresses that the pods of an endpoint told. */
  observedIPs(namespace: string, endpoint: string): readonly string[] {
    const pods = [...this.#entries.values()].map(({ pod }) => pod);
    return pods
      .filter((pod) => pod.namespace === namespace && pod.endpoint === endpoint)
      .flatMap(({ observedIPs }) => observedIPs);
  }

  onChange(listener: (change: LinkChange) => void): void {
    this.#listeners.push(listener);
  }

  desired(podUid: string): DesiredSessions | undefined {
    return this.#wishes.get(podUid);
  }

  /** False: the wish is the one that stands already. */
  wish(podUid: string, desired: DesiredSessions): boolean {
    const known = this.#entries.get(podUid)?.known;
    for (const { device } of desired.assignments) known?.add(device.uid);
    if (isDeepStrictEqual(this.#wishes.get(podUid), desired)) return false;
    this.#wishes.set(podUid, desired);
    return true;
  }

  forget(podUid: string): void {
    this.#entries.delete(podUid);
    this.#wishes.delete(podUid);
  }

  linked(hello: Hello, endpoint: string): void {
    const { pod, sessions } = hello;
    const found = this.#entries.get(pod.uid);
    const wished = this.#wishes.get(pod.uid)?.assignments.map(({ device }) => device.uid) ?? [];
    const known = new Set([...(found?.known ?? []), ...wished]);
    // A leader that has just begun wished nothing yet: what a pod of ours runs in its own namespace is news, not a claim.
    const isNew = known.size === 0;
    const own = sessions.filter(({ device }) => device.namespace === pod.namespace && (isNew || known.has(device.uid)));
    for (const { device } of own) known.add(device.uid);
    this.#entries.set(pod.uid, {
      known,
      pod: {
        ...pod,
        endpoint,
        isConnected: true,
        lastHeardMs: this.#nowMs(),
        sessions: new Map(own.map((session) => [session.device.uid, session])),
        observedIPs: found?.pod.observedIPs ?? [],
      },
    });
    this.#tell({ kind: "Endpoint", namespace: pod.namespace, name: endpoint });
    for (const { device } of own) this.#tell({ kind: "Device", namespace: device.namespace, name: device.name });
  }

  heard(podUid: string): void {
    this.#update(podUid, {});
  }

  closed(podUid: string): void {
    const pod = this.#update(podUid, { isConnected: false });
    if (pod === undefined) return;
    this.#tell({ kind: "Endpoint", namespace: pod.namespace, name: pod.endpoint });
    for (const { device } of pod.sessions.values())
      this.#tell({ kind: "Device", namespace: device.namespace, name: device.name });
  }

  /** A pod of ours that the hub does not listen to. It was heard no later than before: its devices may be taken from it in time. */
  refused(pod: Identity, endpoint: string, refusal: Refusal): void {
    const found = this.#entries.get(pod.uid);
    if (isDeepStrictEqual(found?.pod.refusal, refusal)) return;
    const { namespace, name, uid } = pod;
    const unheard = {
      node: "",
      lastHeardMs: this.#startedMs,
      sessions: new Map(),
      observedIPs: [],
      isConnected: false,
    };
    const known = found?.known ?? new Set<string>();
    this.#entries.set(uid, { known, pod: { ...unheard, ...found?.pod, namespace, name, uid, endpoint, refusal } });
    this.#tell({ kind: "Endpoint", namespace, name: endpoint });
  }

  /** False: the pod was never wished to run that device. */
  reported(podUid: string, session: SessionReport): boolean {
    const entry = this.#entries.get(podUid);
    if (entry?.known.has(session.device.uid) !== true) return false;
    const sessions = new Map(entry.pod.sessions).set(session.device.uid, session);
    this.#update(podUid, { sessions });
    this.#tell({ kind: "Device", namespace: session.device.namespace, name: session.device.name });
    return true;
  }

  egress(podUid: string, { observedIPs, problem }: Egress): void {
    const entry = this.#entries.get(podUid);
    if (entry === undefined) return;
    const { egressProblem: _before, ...pod } = entry.pod;
    entry.pod = {
      ...pod,
      observedIPs,
      lastHeardMs: this.#nowMs(),
      ...(problem !== undefined && { egressProblem: problem }),
    };
    this.#tell({ kind: "Endpoint", namespace: pod.namespace, name: pod.endpoint });
  }

  #update(podUid: string, more: Partial<LinkedPod>): LinkedPod | undefined {
    const entry = this.#entries.get(podUid);
    if (entry === undefined) return undefined;
    entry.pod = { ...entry.pod, lastHeardMs: this.#nowMs(), ...more };
    return entry.pod;
  }

  #tell(change: LinkChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}
