import { z } from "zod";
import { Condition } from "./conditions.ts";
import {
  DnsLabel,
  DnsName,
  Duration,
  LabelMap,
  NonEmptyLabelMap,
  ObjectMeta,
  SecretKey,
  Toleration,
} from "./primitives.ts";
import { positive, shortName, withRules, type Rule } from "./rules.ts";

const CredentialsSecretRef = z.object({
  name: DnsName.describe("Name of a Secret in this namespace."),
  usernameKey: SecretKey.default("username").describe("Its key that holds the user name."),
  passwordKey: SecretKey.default("password").describe("Its key that holds the password."),
});

/** A proxy as structured fields: never a URL, because credentials with special characters break URLs. */
export const Proxy = z.object({
  protocol: z.enum(["socks5", "http"]).describe("socks5 (names are resolved by the proxy) or http (CONNECT)."),
  host: z
    .string()
    .min(1)
    .max(253)
    .regex(/^[A-Za-z0-9:]([A-Za-z0-9_.:-]*[A-Za-z0-9])?$/)
    .describe("Host name or address of the proxy; no URL."),
  port: z.int().min(1).max(65_535).describe("Its TCP port."),
  credentialsSecretRef: CredentialsSecretRef.optional().describe(
    "Where user name and password are; absent means none.",
  ),
});
export type Proxy = z.infer<typeof Proxy>;

export const NodePool = z.object({
  nodeSelector: NonEmptyLabelMap.describe(
    "Labels that a node must carry, all of them. Each such node becomes one EgressEndpoint.",
  ),
  tolerations: z.array(Toleration).max(16).default([]).describe("Tolerations for the session pods on these nodes."),
});
export type NodePool = z.infer<typeof NodePool>;

/** Another address is another way out, with budgets and a record of its own; so it needs another name. */
const immutableProxy = (field: "protocol" | "host" | "port"): Rule<unknown> => ({
  ...(field === "port"
    ? {}
    : {
        says: `'${field} was ' + oldSelf.proxy.${field} + ' and is ' + self.proxy.${field} + "; a member's proxy ${field} cannot change under its name; add a member with another name instead"`,
      }),
  rule: `!has(self.proxy) || !has(oldSelf.proxy) || self.proxy.${field} == oldSelf.proxy.${field}`,
  message: `a member's proxy ${field} cannot change under its name; add a member with another name instead`,
  path: ["proxy", field],
});

export const PoolMember = withRules(
  z.object({
    name: DnsLabel.max(20).describe("Stable name, at most 20 characters; never reuse one for another address."),
    labels: LabelMap.default({}).describe("Copied to the member's endpoints; devices select by them."),
    nodePool: NodePool.optional().describe("Sessions leave by the address of the node they run on."),
    proxy: Proxy.optional().describe("Sessions leave by this proxy."),
    capacity: z
      .object({ maxSessions: z.int().min(0).max(10_000).default(10).describe("Most devices per observed address.") })
      .prefault({})
      .describe("How many devices the member carries."),
    state: z
      .enum(["Active", "Draining", "Disabled"])
      .default("Active")
      .describe("Draining: keeps its devices, takes no new ones. Disabled: takes none and stops those it has."),
  }),
  [
    {
      rule: "has(self.nodePool) != has(self.proxy)",
      message: "a member has exactly one of nodePool and proxy",
      says: "'member ' + self.name + ' has ' + (has(self.proxy) ? 'both' : 'neither') + '; a member has exactly one of nodePool and proxy'",
      holds: ({ nodePool, proxy }) => (nodePool === undefined) !== (proxy === undefined),
    },
    immutableProxy("protocol"),
    immutableProxy("host"),
    immutableProxy("port"),
  ],
);
export type PoolMember = z.infer<typeof PoolMember>;

/** More starts than this in one period no ledger holds, since an annotation holds 256 KiB. */
export const mostStarts = 3_000;
/** Longer periods count as this one: timers and ledgers reach no further. */
export const longestPeriodMs = 7 * 24 * 3_600_000;

const StartLimit = (count: number) =>
  withRules(
    z.object({
      count: z
        .int()
        .min(1)
        .max(mostStarts)
        .default(count)
        .describe("Most connection attempts per period and observed address."),
      period: Duration.default("60s").describe("Length of that period; 168h at most, what is longer counts as that."),
    }),
    [positive("period")],
  );

const Quantity = z
  .string()
  .max(32)
  .regex(/^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi)?$/);

export const SessionPodTemplate = z.object({
  resources: z
    .object({
      requests: z
        .object({
          cpu: Quantity.default("50m").describe("CPU, such as 50m."),
          memory: Quantity.default("160Mi").describe("Memory, such as 160Mi."),
        })
        .prefault({})
        .describe("What the scheduler sets aside."),
      limits: z
        .object({ memory: Quantity.default("512Mi").describe("Memory, such as 512Mi.") })
        .prefault({})
        .describe("Memory only: a CPU limit can end every session of the pod."),
    })
    .prefault({})
    .describe("Resources of a session pod's container."),
  labels: LabelMap.default({}).describe("More labels for session pods."),
  annotations: z
    .record(z.string().max(316), z.string().max(4096))
    .default({})
    .describe("More annotations for session pods."),
  tolerations: z.array(Toleration).max(16).default([]).describe("More tolerations for session pods."),
  priorityClassName: z
    .string()
    .max(253)
    .regex(/^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$/)
    .default("")
    .describe("PriorityClass of session pods."),
});
export type SessionPodTemplate = z.infer<typeof SessionPodTemplate>;

export const PoolSpec = z.object({
  members: z
    .array(PoolMember)
    .max(64)
    .default([])
    .refine((members) => new Set(members.map(({ name }) => name)).size === members.length, {
      message: "members must have different names",
    })
    .describe("The ways out.")
    .meta({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"] }),
  startLimits: z
    .object({
      login: StartLimit(30).prefault({}).describe("Attempts with credentials."),
      registration: StartLimit(6).prefault({}).describe("Attempts that ask for a QR or pairing code."),
    })
    .prefault({})
    .describe("Budget of connection attempts, per observed address, shared by all pools that use it."),
  egressIPEndpoints: z
    .array(
      z
        .string()
        .max(1024)
        .regex(/^https?:\/\/[^\s/]+(\/\S*)?$/),
    )
    .max(8)
    .default([])
    .describe(
      "URLs that answer the caller's address as text. Session pods ask them through their way out before the first start.",
    ),
  sessionPods: z
    .object({
      maxDevicesPerPod: z
        .int()
        .min(1)
        .max(500)
        .default(10)
        .describe("How many devices share a session pod, and so one fault."),
      template: SessionPodTemplate.prefault({}).describe("What session pods look like."),
    })
    .prefault({})
    .describe("The pods that run the sessions."),
});
export type PoolSpec = z.infer<typeof PoolSpec>;

export const PoolStatus = z.object({
  observedGeneration: z.int().optional().describe("metadata.generation that this status was computed for."),
  endpoints: z.int().default(0).describe("Ways out that exist."),
  readyEndpoints: z.int().default(0).describe("Of these, ready for devices."),
  devices: z.int().default(0).describe("Devices that name this pool."),
  connectedDevices: z.int().default(0).describe("Of these, connected."),
  conditions: z.array(Condition).max(16).default([]).describe("Ready, Reconciling, Stalled."),
});
export type PoolStatus = z.infer<typeof PoolStatus>;

export const EgressPool = withRules(
  z.object({ metadata: ObjectMeta, spec: PoolSpec, status: PoolStatus.prefault({}) }),
  [shortName("EgressPool", 40)],
);
/** A set of ways out to WhatsApp. */
export type EgressPool = z.infer<typeof EgressPool>;
