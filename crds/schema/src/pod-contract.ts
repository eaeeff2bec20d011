import { z } from "zod";

/** Environment of a session pod in the cluster. The operator writes it, the session pod reads it; nothing else names these. */
export const podEnv = {
  /** wss URL of the hub, path included. */
  hubUrl: "WA_HUB_URL",
  /** PEM of the hub's CA. */
  hubCa: "WA_HUB_CA",
  /** Name of the EgressEndpoint. */
  endpoint: "WA_ENDPOINT",
  /** {@link EgressContract} as JSON, never credentials. */
  egress: "WA_EGRESS",
  podName: "WA_POD_NAME",
  podNamespace: "WA_POD_NAMESPACE",
  podUid: "WA_POD_UID",
  nodeName: "WA_NODE_NAME",
  logLevel: "WA_LOG_LEVEL",
} as const;

/** Folders and ports inside a session pod. */
export const podPaths = {
  token: "/var/run/whatsapp-operator/token/token",
  tokenFolder: "/var/run/whatsapp-operator/token",
  proxyFolder: "/var/run/whatsapp-operator/proxy",
  /** Memory-backed: the last welcome and assignments, for a container restart while the operator is away. */
  stateFolder: "/var/run/whatsapp-operator/state",
  /** Baileys writes media to the temporary folder. */
  tmpFolder: "/tmp",
} as const;
export const podHttpPort = 8080;
export const podGraceSeconds = 45;

/** Path of the hub's WebSocket, its port, and the audience of the pods' tokens. */
export const hubPath = "/link";
export const hubPort = 8443;
export const hubAudience = "whatsapp-operator-hub";

export const EgressContract = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("direct") }),
  z.object({
    kind: z.literal("proxy"),
    protocol: z.enum(["socks5", "http"]),
    host: z.string().min(1),
    port: z.int().min(1).max(65_535),
    /** Names of the files in {@link podPaths.proxyFolder}; absent: the proxy takes no credentials. */
    credentials: z.object({ usernameKey: z.string(), passwordKey: z.string() }).optional(),
  }),
]);
export type EgressContract = z.infer<typeof EgressContract>;
