import { EgressEndpoint, type SessionReport, type WhatsAppDevice } from "@wa/schema";
import { expect } from "vitest";
import type { Action, Plan } from "../src/plan/action.ts";
import { planDevice } from "../src/plan/device.ts";
import { planEndpoint } from "../src/plan/endpoint.ts";
import { planPool } from "../src/plan/pool.ts";
import {
  indexed,
  keyOf,
  ownerOf,
  type NodeFacts,
  type Now,
  type PodFacts,
  type PodLink,
  type World,
} from "../src/plan/world.ts";
import { aPool, aReport, nodeMember, noMemory, now, proxyMember, settings } from "./builders.ts";

/**
 * A cluster of plain values that does what the plans ask, one call at a time, so that it can stop between any two: with
 * kubelet, session pods and phones that behave. What the plans make of it must come to rest.
 */
export class ClusterModel {
  readonly devices = new Map<string, WhatsAppDevice>();
  readonly pools = new Map([["shop/eu", aPool({ spec: { members: [nodeMember(), proxyMember()] } })]]);
  readonly endpoints = new Map<string, EgressEndpoint>();
  readonly pods = new Map<string, PodFacts>();
  readonly nodes = new Map<string, NodeFacts>();
  readonly links = new Map<string, PodLink>();
  /** Calls to the API server that changed something, so far. */
  calls = 0;
  #serial = 0;
  /** Calls that still succeed before this operator dies. */
  budget = Number.POSITIVE_INFINITY;

  world(): World {
    const { devices, pools, endpoints, pods, nodes, links } = this;
    const terminating = { namespaces: new Set<string>(), crds: new Set<string>() };
    // The memory is a new leader's each time: the plans may not depend on it.
    return indexed({
      settings,
      leaderSinceMs: 0,
      devices,
      pools,
      endpoints,
      pods,
      nodes,
      links,
      terminating,
      memory: noMemory,
    });
  }

  /** One pass over everything; returns how many calls it made. */
  pass(at: Now): number {
    const before = this.calls;
    this.#hear(at);
    for (const [key, pool] of this.pools)
      this.#carryOut(planPool(pool, this.world(), at), (status) => this.pools.set(key, { ...pool, status }));
    for (const key of this.devices.keys()) {
      const device = this.devices.get(key);
      if (device !== undefined)
        this.#carryOut(planDevice(device, this.world(), at), (status) => {
          this.#judgeOwner(device, status, at);
          this.devices.set(key, { ...device, status });
        });
    }
    for (const [key, endpoint] of this.endpoints) {
      const plan = planEndpoint(endpoint, this.world(), at, () => `nonce-${this.#next()}`);
      this.#carryOut(plan, (status) => this.endpoints.set(key, { ...endpoint, status }));
      for (const desired of plan.desired)
        this.#pretendSessions(
          desired.podUid,
          desired.assignments.map(({ device }) => device.uid),
        );
    }
    return this.calls - before;
  }

  /** Every partition ends: pods that live dial again. */
  heal(): void {
    const living = new Set([...this.pods.values()].filter(({ phase }) => phase === "Running").map(({ uid }) => uid));
    for (const [uid, link] of this.links) if (living.has(uid)) this.links.set(uid, { ...link, isConnected: true });
  }

  #hear(at: Now): void {
    for (const [uid, link] of this.links)
      if (link.isConnected) this.links.set(uid, { ...link, lastHeardMs: at.monotonicMs });
  }

  /** Never twice: a new owner only after the former has released, or has been silent for its whole lease. */
  #judgeOwner(device: WhatsAppDevice, next: WhatsAppDevice["status"], at: Now): void {
    const former = this.links.get(ownerOf(device));
    if (former === undefined || former.uid === next.assignment?.podUID) return;
    const holds = former.sessions.get(device.metadata.uid)?.state === "Connected";
    const isSilent = !former.isConnected && at.monotonicMs - former.lastHeardMs >= 30_000;
    expect(!holds || isSilent, `${former.uid} still holds the device`).toBe(true);
  }

  #carryOut<Status>(plan: Plan<Status>, write: (status: Status) => void): void {
    for (const action of plan.actions) if (action.kind !== "Note") this.#call(() => this.#perform(action));
    const { status } = plan;
    if (status === undefined) return;
    const before = JSON.stringify([...this.devices, ...this.endpoints, ...this.pools]);
    const calls = this.calls;
    this.#call(() => write(status));
    // A status that says the same is not written.
    if (JSON.stringify([...this.devices, ...this.endpoints, ...this.pools]) === before) this.calls = calls;
  }

  #call(effect: () => void): void {
    if (this.budget <= 0) throw new Crash();
    this.budget -= 1;
    this.calls += 1;
    effect();
  }

  #perform(action: Action): void {
    switch (action.kind) {
      case "CreateEndpoint": {
        const { namespace, name, labels, spec } = action;
        const metadata = { namespace, name, labels, uid: `uid-${this.#next()}`, resourceVersion: "1" };
        this.endpoints.set(`${namespace}/${name}`, EgressEndpoint.parse({ metadata, spec }));
        return;
      }
      case "DeleteEndpoint":
        this.endpoints.delete(keyOf(action.target));
        return;
      case "CreatePod": {
        const key = keyOf(action.pod.metadata);
        if (this.pods.has(key)) return;
        this.#start(key, action.record.nonce, action.endpoint.uid);
        return;
      }
      case "DeletePod": {
        const pod = this.pods.get(keyOf(action));
        if (pod?.uid === action.uid) this.pods.delete(keyOf(action));
        return;
      }
      case "DeleteStray":
        this.pods.delete(keyOf(action.pod));
        return;
      case "SetFinalizers": {
        const pool = this.pools.get(keyOf(action.target));
        if (pool !== undefined)
          this.pools.set(keyOf(action.target), {
            ...pool,
            metadata: { ...pool.metadata, finalizers: [...action.finalizers] },
          });
        return;
      }
      case "SetEndpointLabels":
      case "ExpectPodGone":
      case "Note":
        return;
      default:
        action satisfies never;
    }
  }

  /** A pod of an endpoint that a call makes whose answer and time have long passed. */
  arriveLate(endpoint: EgressEndpoint): void {
    const key = `${endpoint.metadata.namespace}/${endpoint.metadata.name}-0`;
    if (!this.pods.has(key)) this.#start(key, "of the past", endpoint.metadata.uid);
  }

  #start(key: string, nonce: string, endpointUid: string): void {
    const [namespace = "", name = ""] = key.split("/");
    const uid = `pod-${this.#next()}`;
    this.pods.set(key, {
      namespace,
      name,
      uid,
      nonce,
      endpointUid,
      phase: "Running",
      isTerminating: false,
      nodeName: "n",
      problem: "",
    });
    const endpoint = name.replace(/-(d-[0-9a-f]{8}|[0-9]+)$/, "");
    const link = {
      namespace,
      name,
      uid,
      node: "n",
      endpoint,
      isConnected: true,
      lastHeardMs: now.monotonicMs,
      observedIPs: [],
    };
    this.links.set(uid, { ...link, sessions: new Map() });
  }

  /** Sessions that are wished connect; those that are not, release. */
  #pretendSessions(podUid: string, wished: readonly string[]): void {
    const link = this.links.get(podUid);
    if (link === undefined) return;
    const sessions = new Map<string, SessionReport>();
    for (const device of this.devices.values()) {
      const { uid } = device.metadata;
      const isHere = device.status.assignment?.podUID === podUid;
      const before = link.sessions.get(uid);
      if (wished.includes(uid) && isHere) sessions.set(uid, aReport(device, "Connected", { paired: true }));
      else if (before !== undefined) sessions.set(uid, { ...before, state: "Released" });
    }
    this.links.set(podUid, { ...link, sessions });
  }

  #next(): number {
    this.#serial += 1;
    return this.#serial;
  }
}

export class Crash extends Error {
  override readonly name = "Crash";
}
