import type { EgressEndpoint } from "@wa/schema";
import { memberOf } from "./standing.ts";
import { memberField } from "./wanted-endpoints.ts";
import type { Facts } from "./world.ts";

/**
 * The field of the pool, and its value, that a proxy's trouble is about; undefined: the word is none of the proxy's. A session pod
 * knows neither pool nor Secret by name, so its own words cannot say it.
 */
export function proxyField(reason: string, endpoint: EgressEndpoint, world: Facts): string | undefined {
  const proxy = memberOf(endpoint, world)?.proxy ?? endpoint.spec.proxy;
  if (proxy === undefined || !isProxyTrouble(reason)) return undefined;
  const { pool, member } = endpoint.spec;
  const field = `EgressPool "${pool}" ${memberField(member)}.proxy`;
  const { protocol, host, port, credentialsSecretRef: secret } = proxy;
  if (reason === "ProxyFault") {
    const login = secret === undefined ? "no credentials" : `credentials of Secret "${secret.name}"`;
    return `${field}: ${protocol} ${host} port ${port}, ${login}`;
  }
  if (secret === undefined) return field;
  const { namespace } = endpoint.metadata;
  const keys = `keys usernameKey "${secret.usernameKey}" and passwordKey "${secret.passwordKey}"`;
  return `${field}.credentialsSecretRef: Secret "${secret.name}" in namespace "${namespace}", ${keys}`;
}

const isProxyTrouble = (reason: string): reason is ProxyTrouble => troubles.some((trouble) => trouble === reason);
type ProxyTrouble = (typeof troubles)[number];
const troubles = ["ProxySecretMissing", "ProxySecretKeyMissing", "ProxyFault"] as const;
