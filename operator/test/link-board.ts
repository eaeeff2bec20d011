import type { SessionReport } from "@wa/schema";
import type { DesiredSessions, LinkChange, LinkedPod, Links } from "../src/hub/links.ts";

/** Links without sockets: a test writes what pods say and reads what is wished of them. */
export class LinkBoard implements Links {
  readonly wishes = new Map<string, DesiredSessions>();
  /** UIDs of pods whose link was ended. */
  readonly cuts: string[] = [];
  readonly #pods = new Map<string, LinkedPod>();
  readonly #listeners: ((change: LinkChange) => void)[] = [];

  pods(): ReadonlyMap<string, LinkedPod> {
    return this.#pods;
  }

  setDesired(podUid: string, desired: DesiredSessions): void {
    this.wishes.set(podUid, desired);
  }

  forget(podUid: string): void {
    this.#pods.delete(podUid);
    this.wishes.delete(podUid);
  }

  cut(podUid: string): void {
    this.cuts.push(podUid);
    this.unlink(podUid);
  }

  async openLedgers(): Promise<void> {
    // There are none here.
  }

  onChange(listener: (change: LinkChange) => void): void {
    this.#listeners.push(listener);
  }

  link(pod: Pick<LinkedPod, "namespace" | "name" | "uid" | "endpoint">, observedIPs: readonly string[] = []): void {
    const before = this.#pods.get(pod.uid);
    const sessions = before?.sessions ?? new Map();
    this.#put({ ...pod, node: "", isConnected: true, lastHeardMs: performance.now(), sessions, observedIPs });
    this.#tell({ kind: "Endpoint", namespace: pod.namespace, name: pod.endpoint });
  }

  unlink(podUid: string, lastHeardMs = performance.now()): void {
    const pod = this.#pods.get(podUid);
    if (pod === undefined) return;
    this.#put({ ...pod, isConnected: false, lastHeardMs });
    this.#tell({ kind: "Endpoint", namespace: pod.namespace, name: pod.endpoint });
  }

  report(podUid: string, report: SessionReport): void {
    const pod = this.#pods.get(podUid);
    if (pod === undefined) throw new Error(`pod ${podUid} is not linked`);
    const sessions = new Map(pod.sessions).set(report.device.uid, report);
    this.#put({ ...pod, lastHeardMs: performance.now(), sessions });
    this.#tell({ kind: "Device", namespace: report.device.namespace, name: report.device.name });
  }

  #put(pod: LinkedPod): void {
    this.#pods.set(pod.uid, pod);
  }

  #tell(change: LinkChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}
