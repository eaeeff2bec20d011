import type { PodSettings } from "../build/session-pod.ts";
import {
  observedAddress,
  type EgressEndpoint,
  type EgressPool,
  type SessionReport,
  type WhatsAppDevice,
} from "@wa/schema";
import type { Refusal } from "./refusals.ts";

/** What the plans may know: a snapshot of plain values, made by `world/`. Keys are `namespace/name` unless said otherwise. */
export interface World extends Facts {
  readonly devicesOfPool: ReadonlyMap<string, readonly WhatsAppDevice[]>;
  /** Devices whose stored assignment names the endpoint, at rest or not. */
  readonly devicesOfEndpoint: ReadonlyMap<string, readonly WhatsAppDevice[]>;
  readonly endpointsOfPool: ReadonlyMap<string, readonly EgressEndpoint[]>;
  /** Session pods by the UID of the endpoint that they were made for. */
  readonly podsOfEndpoint: ReadonlyMap<string, readonly PodFacts[]>;
  /** Endpoints that the outside saw under an address, in its canonical form; it counts over all namespaces. */
  readonly endpointsOfAddress: ReadonlyMap<string, readonly EgressEndpoint[]>;
}

export interface Facts {
  readonly settings: Settings;
  /** When this process began to lead, in milliseconds of its monotonic clock. */
  readonly leaderSinceMs: number;
  readonly devices: ReadonlyMap<string, WhatsAppDevice>;
  readonly pools: ReadonlyMap<string, EgressPool>;
  readonly endpoints: ReadonlyMap<string, EgressEndpoint>;
  readonly pods: ReadonlyMap<string, PodFacts>;
  /** By name. */
  readonly nodes: ReadonlyMap<string, NodeFacts>;
  /** By pod UID. */
  readonly links: ReadonlyMap<string, PodLink>;
  readonly terminating: {
    readonly namespaces: ReadonlySet<string>;
    /** CRDs on their way out, by plural name. */
    readonly crds: ReadonlySet<string>;
  };
  readonly memory: Memory;
}

/** What the installation fixes for all sessions. */
export interface Settings extends PodSettings {
  /** WhatsApp Web version of devices whose own is Auto; empty: the client library's. */
  readonly clientVersion: string;
}

export interface PodFacts {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly nonce: string;
  /** UID of the EgressEndpoint that it was made for, as its controller reference says; empty: none. */
  readonly endpointUid: string;
  readonly phase: "Pending" | "Running" | "Succeeded" | "Failed" | "Unknown";
  readonly isTerminating: boolean;
  /** Empty until the scheduler chose one. */
  readonly nodeName: string;
  /** Why it does not start, in the words of scheduler or kubelet; empty if it does. */
  readonly problem: string;
}

export interface NodeFacts {
  readonly name: string;
  readonly uid: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** A session pod as its link shows it. */
export interface PodLink {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly node: string;
  readonly endpoint: string;
  readonly isConnected: boolean;
  /** When the hub last heard the pod, in milliseconds of the operator's monotonic clock. */
  readonly lastHeardMs: number;
  /** By device UID. */
  readonly sessions: ReadonlyMap<string, SessionReport>;
  /** Sessions of devices that are gone, by device UID: its own word alone, and when it was given. */
  readonly former?: { readonly sessions: ReadonlyMap<string, SessionReport>; readonly sinceMs: number };
  readonly observedIPs: readonly string[];
  readonly egressProblem?: { readonly reason: string; readonly message: string };
  /** It works with another store, or by another login, than it was told last. */
  readonly storeProblem?: { readonly reason: string; readonly message: string };
  /** Why the hub has refused its last link; a link that stands has none. */
  readonly refusal?: { readonly reason: string; readonly message: string };
}

/** What only this process remembers; losing it costs time, never correctness. Instants are of the monotonic clock. */
export interface Memory {
  /** Pods that ended and were deleted, by `namespace/name`: paces their making. */
  readonly podEnds: ReadonlyMap<string, { readonly count: number; readonly lastMs: number }>;
  /** What the API server refuses the operator, by {@link refusalKey}. */
  readonly refusals: ReadonlyMap<string, Refusal>;
  /** Since when a pod has no devices. */
  readonly emptySinceMs: ReadonlyMap<string, number>;
  /** When a device was last wished to run in a pod, by {@link wishKey}. */
  readonly lastWishedMs: ReadonlyMap<string, number>;
}

export interface Now {
  readonly date: Date;
  readonly monotonicMs: number;
}

export const keyOf = (object: { readonly namespace: string; readonly name: string }): string =>
  `${object.namespace}/${object.name}`;

export const wishKey = (podUid: string, deviceUid: string): string => `${podUid}/${deviceUid}`;

/** The pool that a device names. */
export const poolKeyOf = (device: WhatsAppDevice): string => `${device.metadata.namespace}/${device.spec.egress.pool}`;

export const standsOnNode = ({ spec }: EgressEndpoint, node: string): boolean => spec.node?.name === node;

/** UID of the pod that the device's epoch was given to; empty: none. */
export const ownerOf = (device: WhatsAppDevice): string => device.status.assignment?.podUID ?? "";

/** Name of the session pod that is to run it; empty: none. */
export const podNameOf = (device: WhatsAppDevice): string => device.status.assignment?.pod ?? "";

/** The endpoint of a device's stored assignment, while it exists. */
export function endpointOf(device: WhatsAppDevice, world: Facts): EgressEndpoint | undefined {
  const name = device.status.assignment?.endpoint ?? "";
  return name === "" ? undefined : world.endpoints.get(`${device.metadata.namespace}/${name}`);
}

/** Adds the indexes that plans look things up by. */
export function indexed(facts: Facts): World {
  const endpoints = [...facts.endpoints.values()];
  const devices = [...facts.devices.values()];
  const inNamespace = (namespace: string, name: string | undefined) =>
    name === undefined || name === "" ? [] : [`${namespace}/${name}`];
  return {
    ...facts,
    devicesOfPool: grouped(devices, (device) => [poolKeyOf(device)]),
    devicesOfEndpoint: grouped(devices, (device) =>
      inNamespace(device.metadata.namespace, device.status.assignment?.endpoint),
    ),
    endpointsOfPool: grouped(endpoints, ({ metadata, spec }) => inNamespace(metadata.namespace, spec.pool)),
    podsOfEndpoint: grouped([...facts.pods.values()], ({ endpointUid }) => (endpointUid === "" ? [] : [endpointUid])),
    endpointsOfAddress: grouped(endpoints, ({ status }) => [
      ...new Set(status.observedIPs.flatMap((text) => observedAddress(text) ?? [])),
    ]),
  };
}

function grouped<T>(items: readonly T[], keysOf: (item: T) => readonly string[]): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items)
    for (const key of keysOf(item)) {
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [item]);
      else group.push(item);
    }
  return groups;
}
