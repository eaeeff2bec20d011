import { isDeepStrictEqual } from "node:util";
import type { PodFrame, SessionReport } from "@wa/schema";
import type { AssignmentOf, DesiredSessions, LinkChange, LinkedPod } from "./links.ts";

type Hello = Extract<PodFrame, { kind: "hello" }>;
type Identity = Pick<LinkedPod, "namespace" | "name" | "uid">;
type Refusal = NonNullable<LinkedPod["refusal"]>;
type Egress = Extract<PodFrame, { kind: "egress" }>;

interface Entry {
  pod: LinkedPod;
  /** Devices that this pod was ever wished to run: what it says of others is not believed, so that a stolen token is worth no more. */
  readonly known: Set<string>;
  /** What it said first of others: believed once a wish names them. */
  readonly unproven: Map<string, SessionReport>;
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
    const entry = this.#entries.get(podUid);
    if (entry !== undefined) for (const { device } of desired.assignments) this.#prove(entry, device.uid);
    if (isDeepStrictEqual(this.#wishes.get(podUid), desired)) return false;
    this.#wishes.set(podUid, desired);
    return true;
  }

  forget(podUid: string): void {
    this.#entries.delete(podUid);
    this.#wishes.delete(podUid);
  }

  /** @param assignedTo what the operator itself knows; the pod's word for its devices is not enough */
  linked(hello: Hello, endpoint: string, assignedTo: ReturnType<AssignmentOf>): void {
    const { pod, sessions } = hello;
    const found = this.#entries.get(pod.uid);
    const known = this.#knownTo(pod.uid);
    const inReach = sessions.filter(({ device }) => device.namespace === pod.namespace);
    for (const { device } of inReach) if (assignedTo(device) === "Here") known.add(device.uid);
    const own = inReach.filter(({ device }) => known.has(device.uid));
    const others = inReach.filter(({ device }) => !known.has(device.uid));
    // Told at its first hello, or never: later on, everything that it runs was wished by this leader.
    const former = found?.pod.former ?? {
      sessions: byUid(others.filter(({ device }) => assignedTo(device) === "Unknown")),
      sinceMs: this.#nowMs(),
    };
    const news = { endpoint, isConnected: true, lastHeardMs: this.#nowMs(), sessions: byUid(own), former };
    const observedIPs = found?.pod.observedIPs ?? [];
    this.#entries.set(pod.uid, { known, unproven: byUid(others), pod: { ...pod, ...news, observedIPs } });
    this.#tell({ kind: "Endpoint", namespace: pod.namespace, name: endpoint });
    for (const { device } of own) this.#tell({ kind: "Device", namespace: device.namespace, name: device.name });
  }

  #knownTo(podUid: string): Set<string> {
    const wished = this.#wishes.get(podUid)?.assignments ?? [];
    return new Set([...(this.#entries.get(podUid)?.known ?? []), ...wished.map(({ device }) => device.uid)]);
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
    const unproven = found?.unproven ?? new Map<string, SessionReport>();
    this.#entries.set(uid, {
      known,
      unproven,
      pod: { ...unheard, ...found?.pod, namespace, name, uid, endpoint, refusal },
    });
    this.#tell({ kind: "Endpoint", namespace, name: endpoint });
  }

  /** False: the pod was never wished to run that device. */
  reported(podUid: string, session: SessionReport): boolean {
    const entry = this.#entries.get(podUid);
    if (entry?.known.has(session.device.uid) !== true) return this.#reportedUnproven(entry, session);
    const sessions = new Map(entry.pod.sessions).set(session.device.uid, session);
    this.#update(podUid, { sessions });
    this.#tell({ kind: "Device", namespace: session.device.namespace, name: session.device.name });
    return true;
  }

  /** False: it is a device that the pod has not named before either. */
  #reportedUnproven(entry: Entry | undefined, session: SessionReport): boolean {
    const { uid, namespace, name } = session.device;
    if (entry?.unproven.has(uid) !== true) return false;
    entry.unproven.set(uid, session);
    const { former } = entry.pod;
    if (former?.sessions.has(uid) !== true) return true;
    const sessions = new Map(former.sessions).set(uid, session);
    entry.pod = { ...entry.pod, former: { ...former, sessions } };
    this.#tell({ kind: "Device", namespace, name });
    return true;
  }

  /** The operator gives it the device: what the pod has said of it counts from now on. */
  #prove(entry: Entry, deviceUid: string): void {
    entry.known.add(deviceUid);
    const session = entry.unproven.get(deviceUid);
    if (session === undefined) return;
    entry.unproven.delete(deviceUid);
    entry.pod = { ...entry.pod, sessions: new Map(entry.pod.sessions).set(deviceUid, session) };
    this.#tell({ kind: "Device", namespace: session.device.namespace, name: session.device.name });
  }

  egress(podUid: string, { observedIPs, problem, store }: Egress): void {
    const entry = this.#entries.get(podUid);
    if (entry === undefined) return;
    const { egressProblem: _before, storeProblem: _told, ...pod } = entry.pod;
    entry.pod = {
      ...pod,
      observedIPs,
      lastHeardMs: this.#nowMs(),
      ...(problem !== undefined && { egressProblem: problem }),
      ...(store !== undefined && { storeProblem: store }),
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

const byUid = (sessions: readonly SessionReport[]): Map<string, SessionReport> =>
  new Map(sessions.map((session) => [session.device.uid, session]));
