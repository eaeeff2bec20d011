import { KubeConfig } from "@kubernetes/client-node";
import type { RequestOptions } from "node:https";

/** How to reach and convince one API server. */
export interface ClusterAccess {
  /** Base URL without a trailing slash. */
  readonly server: string;
  /** The context's namespace; in a pod, the pod's own. */
  readonly namespace: string;
  readonly tls: Pick<RequestOptions, "ca" | "cert" | "key" | "rejectUnauthorized" | "servername">;
  /** Authorization headers. `isFresh`: read token files and run credential plugins again, because the last ones were refused. */
  headers(options: { readonly isFresh: boolean }): Promise<Record<string, string>>;
}

/** Bound tokens are renewed by the kubelet long before they end; client-go rereads them every minute too. */
const headersAgeMs = 60_000;

/**
 * Access by the file at `path` or, without one, by KUBECONFIG, the pod's service account, `~/.kube/config`.
 * @throws when there is none, or it asks for an HTTP proxy, which this client does not speak.
 */
export async function loadClusterAccess(path?: string): Promise<ClusterAccess> {
  const first = load(path);
  const cluster = first.getCurrentCluster();
  if (cluster === null) throw new Error("no cluster in the kubeconfig's current context");
  if (cluster.proxyUrl !== undefined) throw new Error("the kubeconfig's proxy-url is not supported");
  const { ca, cert, key, rejectUnauthorized, servername } = await httpsOptions(first);
  return {
    server: cluster.server.replace(/\/+$/, ""),
    namespace: first.getContextObject(first.getCurrentContext())?.namespace ?? "default",
    tls: Object.fromEntries(
      Object.entries({ ca, cert, key, rejectUnauthorized, servername }).filter(([, value]) => value !== undefined),
    ),
    headers: cachedHeaders(path),
  };
}

function cachedHeaders(path: string | undefined): ClusterAccess["headers"] {
  let cached: { readonly headers: Record<string, string>; readonly readAtMs: number } | undefined;
  return async ({ isFresh }) => {
    const nowMs = performance.now();
    if (cached !== undefined && !isFresh && nowMs - cached.readAtMs < headersAgeMs) return cached.headers;
    const { headers } = await httpsOptions(load(path));
    const plain = Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name, String(value)]));
    cached = { headers: plain, readAtMs: nowMs };
    return plain;
  };
}

/** A new one each time: it remembers tokens by itself otherwise. */
function load(path: string | undefined): KubeConfig {
  const config = new KubeConfig();
  if (path === undefined) config.loadFromDefault();
  else config.loadFromFile(path);
  return config;
}

async function httpsOptions(config: KubeConfig): Promise<RequestOptions> {
  const options: RequestOptions = { headers: {} };
  await config.applyToHTTPSOptions(options);
  return options;
}
