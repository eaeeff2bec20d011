import { createHash } from "node:crypto";
import type {
  V1Container,
  V1EnvVar,
  V1OwnerReference,
  V1PodSpec,
  V1Toleration,
  V1Volume,
  V1VolumeMount,
} from "@kubernetes/client-node";
import {
  annotations,
  apiVersion,
  hubAudience,
  kinds,
  labels,
  labelValues,
  podEnv,
  podGraceSeconds,
  podHttpPort,
  podPaths,
  type EgressContract,
  type EgressEndpoint,
  type PoolMember,
  type Proxy,
  type SessionPodTemplate,
  type Toleration,
} from "@wa/schema";

/** What the installation fixes for every session pod. */
export interface PodSettings {
  readonly sessionImage: string;
  readonly imagePullPolicy: "Always" | "IfNotPresent" | "Never";
  readonly imagePullSecrets: readonly string[];
  /** wss URL of the hub, path included. */
  readonly hubUrl: string;
  readonly hubCaPem: string;
  readonly sessionLogLevel: string;
}

export interface SessionPodInput {
  readonly endpoint: EgressEndpoint;
  /** The endpoint's member as the pool has it now: tolerations and the proxy's Secret may change under one name. */
  readonly member: PoolMember | undefined;
  readonly template: SessionPodTemplate;
  readonly settings: PodSettings;
  readonly name: string;
  readonly nonce: string;
}

export type SessionPod = {
  readonly apiVersion: "v1";
  readonly kind: "Pod";
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
    readonly ownerReferences: readonly V1OwnerReference[];
  };
  readonly spec: V1PodSpec;
};

/** The pod that runs an endpoint's sessions: pinned to its node or given its proxy, and without any right on the API server. */
export function buildSessionPod(input: SessionPodInput): SessionPod {
  const { endpoint, template, name, nonce, settings } = input;
  const spec = podSpec(input);
  // The hub's CA is left out: a new CA must not look like a new template.
  const hash = hashOf({ ...input.template, spec: { ...spec, containers: [container(input, "")] } });
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: endpoint.metadata.namespace,
      labels: { ...template.labels, ...ownLabels(endpoint) },
      annotations: { ...template.annotations, [annotations.nonce]: nonce, [annotations.templateHash]: hash },
      ownerReferences: [ownerOf(endpoint)],
    },
    spec: { ...spec, containers: [container(input, settings.hubCaPem)] },
  };
}

function ownLabels({ metadata, spec }: EgressEndpoint): Record<string, string> {
  return {
    [labels.component]: labelValues.sessionPod,
    [labels.managedBy]: labelValues.manager,
    [labels.pool]: spec.pool,
    [labels.member]: spec.member,
    [labels.endpoint]: asLabelValue(metadata.name),
  };
}

/** Names may be longer than the 63 characters of a label's value. */
export function asLabelValue(name: string): string {
  return name.length <= 63 ? name : `${name.slice(0, 54)}-${hashOf(name).slice(0, 8)}`;
}

/** A controller, so that drains evict its pods; deletion of the endpoint is never held up by them. */
const ownerOf = ({ metadata }: EgressEndpoint) => ({
  apiVersion,
  kind: kinds.endpoint.kind,
  name: metadata.name,
  uid: metadata.uid,
  controller: true,
  blockOwnerDeletion: false,
});

function podSpec({ endpoint, member, template, settings }: SessionPodInput): Omit<V1PodSpec, "containers"> {
  const tolerations = [...(member?.nodePool?.tolerations ?? []), ...template.tolerations].map(asToleration);
  const pull = settings.imagePullSecrets.map((name) => ({ name }));
  return {
    serviceAccountName: "default",
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    restartPolicy: "Always",
    terminationGracePeriodSeconds: podGraceSeconds,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 1000,
      runAsGroup: 1000,
      fsGroup: 1000,
      seccompProfile: { type: "RuntimeDefault" },
    },
    ...(endpoint.spec.node === undefined ? {} : { affinity: pinnedTo(endpoint.spec.node.name) }),
    ...(tolerations.length === 0 ? {} : { tolerations }),
    ...(template.priorityClassName === "" ? {} : { priorityClassName: template.priorityClassName }),
    ...(pull.length === 0 ? {} : { imagePullSecrets: pull }),
    volumes: volumes(proxyOf(endpoint, member)),
  };
}

/** Without the fields that are not set: the client's types do not take undefined. */
function asToleration({ key, operator, value, effect, tolerationSeconds }: Toleration): V1Toleration {
  return {
    ...(key === undefined ? {} : { key }),
    ...(operator === undefined ? {} : { operator }),
    ...(value === undefined ? {} : { value }),
    ...(effect === undefined ? {} : { effect }),
    ...(tolerationSeconds === undefined ? {} : { tolerationSeconds }),
  };
}

/** By affinity and through the scheduler: a pod with `nodeName` that does not fit its node ends as Failed. */
const pinnedTo = (node: string) => ({
  nodeAffinity: {
    requiredDuringSchedulingIgnoredDuringExecution: {
      nodeSelectorTerms: [{ matchFields: [{ key: "metadata.name", operator: "In", values: [node] }] }],
    },
  },
});

/** The endpoint's proxy, with the Secret that its member names now. */
function proxyOf({ spec }: EgressEndpoint, member: PoolMember | undefined): Proxy | undefined {
  if (spec.proxy === undefined) return undefined;
  return { ...spec.proxy, credentialsSecretRef: (member?.proxy ?? spec.proxy).credentialsSecretRef };
}

const tokenSeconds = 3600;

function volumes(proxy: Proxy | undefined): V1Volume[] {
  const { base: tokenFile } = split(podPaths.token);
  const token = { serviceAccountToken: { audience: hubAudience, expirationSeconds: tokenSeconds, path: tokenFile } };
  const all: V1Volume[] = [
    { name: "token", projected: { sources: [token] } },
    { name: "state", emptyDir: { medium: "Memory", sizeLimit: "16Mi" } },
    { name: "tmp", emptyDir: { sizeLimit: "256Mi" } },
  ];
  const secret = proxy?.credentialsSecretRef;
  // Whole and optional: the pod says over its link what is missing, and a Secret made later appears without a restart.
  if (secret !== undefined) all.push({ name: "proxy", secret: { secretName: secret.name, optional: true } });
  return all;
}

function container(input: SessionPodInput, hubCaPem: string): V1Container {
  const { endpoint, member, template, settings } = input;
  const proxy = proxyOf(endpoint, member);
  const mounts: V1VolumeMount[] = [
    { name: "token", mountPath: podPaths.tokenFolder, readOnly: true },
    { name: "state", mountPath: podPaths.stateFolder },
    { name: "tmp", mountPath: podPaths.tmpFolder },
  ];
  if (proxy?.credentialsSecretRef !== undefined)
    mounts.push({ name: "proxy", mountPath: podPaths.proxyFolder, readOnly: true });
  return {
    name: "session",
    image: settings.sessionImage,
    imagePullPolicy: settings.imagePullPolicy,
    env: environment(input, proxy, hubCaPem),
    ports: [{ name: "http", containerPort: podHttpPort }],
    resources: { requests: { ...template.resources.requests }, limits: { ...template.resources.limits } },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    },
    livenessProbe: probe("/livez", { periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 }),
    readinessProbe: probe("/readyz", { periodSeconds: 5, timeoutSeconds: 3, failureThreshold: 2 }),
    volumeMounts: mounts,
  };
}

const probe = (path: string, timing: { periodSeconds: number; timeoutSeconds: number; failureThreshold: number }) => ({
  httpGet: { path, port: "http" },
  ...timing,
});

function environment(
  { endpoint, settings, template }: SessionPodInput,
  proxy: Proxy | undefined,
  hubCaPem: string,
): V1EnvVar[] {
  const field = (name: string, fieldPath: string): V1EnvVar => ({ name, valueFrom: { fieldRef: { fieldPath } } });
  return [
    { name: podEnv.hubUrl, value: settings.hubUrl },
    { name: podEnv.hubCa, value: hubCaPem },
    { name: podEnv.endpoint, value: endpoint.metadata.name },
    { name: podEnv.egress, value: JSON.stringify(egressContract(proxy)) },
    { name: podEnv.logLevel, value: settings.sessionLogLevel },
    field(podEnv.podName, "metadata.name"),
    field(podEnv.podNamespace, "metadata.namespace"),
    field(podEnv.podUid, "metadata.uid"),
    field(podEnv.nodeName, "spec.nodeName"),
    { name: "NODE_OPTIONS", value: nodeOptions(template.resources.limits.memory) },
  ];
}

/** Names of the Secret's files go with the contract, never what is in them. */
function egressContract(proxy: Proxy | undefined): EgressContract {
  if (proxy === undefined) return { kind: "direct" };
  const { protocol, host, port, credentialsSecretRef: secret } = proxy;
  const address = { kind: "proxy", protocol, host, port } as const;
  return secret === undefined
    ? address
    : { ...address, credentials: { usernameKey: secret.usernameKey, passwordKey: secret.passwordKey } };
}

/** Node sizes its heap by the machine; bounded, an idle session costs a megabyte or two. Half of the limit is left to buffers and code. */
function nodeOptions(memoryLimit: string): string {
  const heapMb = Math.max(64, Math.floor(bytesOf(memoryLimit) / 2 / 1024 ** 2));
  return `--max-semi-space-size=1 --max-old-space-size=${heapMb}`;
}

const units: Readonly<Record<string, number>> = {
  "": 1,
  m: 0.001,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  Ki: 1024,
  Mi: 1024 ** 2,
  Gi: 1024 ** 3,
};

/** Bytes of a Kubernetes quantity, in the forms that the pool's schema takes. */
export function bytesOf(quantity: string): number {
  const [, number = "0", unit = ""] = /^([0-9.]+)([A-Za-z]*)$/.exec(quantity) ?? [];
  return Number(number) * (units[unit] ?? 0);
}

const split = (path: string) => ({ base: path.slice(path.lastIndexOf("/") + 1) });

const hashOf = (value: unknown): string =>
  createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 16);
