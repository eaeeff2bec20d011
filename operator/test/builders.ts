import {
  EgressEndpoint,
  EgressPool,
  SessionReport,
  WhatsAppDevice,
  type PodRecord,
  type SessionStateName,
} from "@wa/schema";
import type { z } from "zod";
import {
  indexed,
  keyOf,
  type Facts,
  type Memory,
  type NodeFacts,
  type Now,
  type PodFacts,
  type PodLink,
  type Settings,
  type World,
} from "../src/plan/world.ts";

/** Test data: a test shows only what it is about. Everything lives in namespace `shop`. */

type DeviceInput = z.input<typeof WhatsAppDevice>;
interface Over {
  readonly name?: string;
  readonly metadata?: Partial<DeviceInput["metadata"]>;
  readonly spec?: object;
  readonly status?: object;
}

const createdAt = "2026-01-01T00:00:00Z";

export function aDevice({ name = "ann", metadata = {}, spec = {}, status = {} }: Over = {}): WhatsAppDevice {
  return WhatsAppDevice.parse({
    metadata: {
      name,
      namespace: "shop",
      uid: `uid-${name}`,
      resourceVersion: "1",
      generation: 1,
      creationTimestamp: createdAt,
      ...metadata,
    },
    spec: { egress: { pool: "eu" }, ...spec },
    status,
  });
}

export const proxyMember = (name = "px", over: object = {}) => ({
  name,
  proxy: { protocol: "socks5", host: "192.0.2.7", port: 1080 },
  ...over,
});

export const nodeMember = (name = "fr", over: object = {}) => ({
  name,
  nodePool: { nodeSelector: { "egress-pool": "eu" } },
  ...over,
});

export function aPool({ name = "eu", metadata = {}, spec = {}, status = {} }: Over = {}): EgressPool {
  return EgressPool.parse({
    metadata: { name, namespace: "shop", uid: `uid-${name}`, resourceVersion: "1", generation: 1, ...metadata },
    spec: { members: [proxyMember()], ...spec },
    status,
  });
}

export function anEndpoint({ name = "eu-px", metadata = {}, spec = {}, status = {} }: Over = {}): EgressEndpoint {
  return EgressEndpoint.parse({
    metadata: { name, namespace: "shop", uid: `uid-${name}`, resourceVersion: "1", generation: 1, ...metadata },
    spec: { pool: "eu", member: "px", proxy: proxyMember().proxy, ...spec },
    status: { phase: "Active", ...status },
  });
}

export const aNode = (over: Partial<NodeFacts> = {}): NodeFacts => ({
  name: "node-1",
  uid: "aabbccdd-0000-4000-8000-000000000001",
  labels: { "egress-pool": "eu" },
  ...over,
});

export const aNodeEndpoint = (over: Over = {}): EgressEndpoint =>
  anEndpoint({
    name: "eu-fr-aabbccdd",
    ...over,
    spec: { pool: "eu", member: "fr", proxy: undefined, node: { name: "node-1", uid: aNode().uid } },
  });

export const aRecord = (over: Partial<PodRecord> = {}): PodRecord => ({
  name: "eu-px-0",
  nonce: "nonce-1",
  uid: "pod-uid-1",
  ...over,
});

export const aPod = (over: Partial<PodFacts> = {}): PodFacts => ({
  namespace: "shop",
  name: "eu-px-0",
  uid: "pod-uid-1",
  nonce: "nonce-1",
  endpointUid: "uid-eu-px",
  phase: "Running",
  isTerminating: false,
  nodeName: "node-9",
  problem: "",
  ...over,
});

export const aLink = (over: Partial<PodLink> = {}): PodLink => ({
  namespace: "shop",
  name: "eu-px-0",
  uid: "pod-uid-1",
  node: "node-9",
  endpoint: "eu-px",
  isConnected: true,
  lastHeardMs: now.monotonicMs,
  sessions: new Map(),
  observedIPs: [],
  ...over,
});

export const aReport = (
  device: WhatsAppDevice,
  state: SessionStateName,
  over: Partial<z.input<typeof SessionReport>> = {},
): SessionReport => {
  const { namespace, name, uid } = device.metadata;
  const epoch = device.status.assignment?.epoch ?? 1;
  return SessionReport.parse({ device: { namespace, name, uid }, epoch, state, paired: false, ...over });
};

/** An hour after the leader began: nothing is young. */
export const now: Now = { date: new Date("2026-06-01T12:00:00Z"), monotonicMs: 3_600_000 };
export const later = (ms: number, from: Now = now): Now => ({
  date: new Date(from.date.getTime() + ms),
  monotonicMs: from.monotonicMs + ms,
});

export const settings: Settings = {
  sessionImage: "registry.example/session-pod:1",
  imagePullPolicy: "IfNotPresent",
  imagePullSecrets: [],
  hubUrl: "wss://hub.whatsapp-operator.svc:8443/link",
  hubCaPem: "-----BEGIN CERTIFICATE-----\nhub\n-----END CERTIFICATE-----\n",
  sessionLogLevel: "info",
  clientVersion: "",
};

export const noMemory: Memory = {
  podEnds: new Map(),
  refusals: new Map(),
  emptySinceMs: new Map(),
  lastWishedMs: new Map(),
};

export interface WorldOver extends Partial<
  Omit<Facts, "devices" | "pools" | "endpoints" | "pods" | "nodes" | "links" | "memory">
> {
  readonly devices?: readonly WhatsAppDevice[];
  readonly pools?: readonly EgressPool[];
  readonly endpoints?: readonly EgressEndpoint[];
  readonly pods?: readonly PodFacts[];
  readonly nodes?: readonly NodeFacts[];
  readonly links?: readonly PodLink[];
  readonly memory?: Partial<Memory>;
}

const byKey = <T extends { readonly metadata: { readonly namespace: string; readonly name: string } }>(
  items: readonly T[],
) => new Map(items.map((item) => [keyOf(item.metadata), item]));

/** One pool with one proxy member and its endpoint, unless told otherwise. */
export function aWorld(over: WorldOver = {}): World {
  const {
    devices = [],
    pools = [aPool()],
    endpoints = [anEndpoint()],
    pods = [],
    nodes = [],
    links = [],
    memory,
    ...rest
  } = over;
  return indexed({
    settings,
    leaderSinceMs: 0,
    terminating: { namespaces: new Set(), crds: new Set() },
    ...rest,
    devices: byKey(devices),
    pools: byKey(pools),
    endpoints: byKey(endpoints),
    pods: new Map(pods.map((pod) => [keyOf(pod), pod])),
    nodes: new Map(nodes.map((node) => [node.name, node])),
    links: new Map(links.map((link) => [link.uid, link])),
    memory: { ...noMemory, ...memory },
  });
}

/** Assigned to the proxy's pod, which is known and carries the epoch. */
export const assignment = (over: object = {}) => ({
  endpoint: "eu-px",
  pod: "eu-px-0",
  podUID: "pod-uid-1",
  node: "node-9",
  epoch: 1,
  since: createdAt,
  ...over,
});

/** World in which the proxy endpoint's pod runs and is linked, with what its sessions say. */
export function aLinkedWorld(device: WhatsAppDevice, report: SessionReport | undefined, over: WorldOver = {}): World {
  const sessions = new Map(report === undefined ? [] : [[device.metadata.uid, report]]);
  return aWorld({
    devices: [device],
    endpoints: [anEndpoint({ status: { pods: [aRecord()] } })],
    pods: [aPod()],
    links: [aLink({ sessions })],
    ...over,
  });
}
