import type { EgressEndpoint } from "@wa/schema";
import { memberOf } from "./standing.ts";
import { memberField } from "./wanted-endpoints.ts";
import type { Facts } from "./world.ts";

/**
 * The field of the pool that a pod's refusal comes from, for the API server blames one of the pod; undefined: it blames none, as for a quota,
 * a policy or a webhook that is down.
 */
export function templateField(refusal: string, endpoint: EgressEndpoint, world: Facts): string | undefined {
  const field = fieldIn(refusal, endpoint, world);
  return field === undefined ? undefined : `EgressPool "${endpoint.spec.pool}" ${field}`;
}

const template = "spec.sessionPods.template";

function fieldIn(refusal: string, endpoint: EgressEndpoint, world: Facts): string | undefined {
  if (refusal.includes("PriorityClass")) return `${template}.priorityClassName`;
  if (!refusal.includes(" is invalid: ")) return undefined;
  const [, toleration] = /\bspec\.tolerations\[([0-9]+)\]/.exec(refusal) ?? [];
  if (toleration !== undefined) return tolerationField(Number(toleration), endpoint, world);
  if (/\bspec\.containers\[0\]\.resources\b/.test(refusal)) return `${template}.resources`;
  const [, map] = /\bmetadata\.(labels|annotations)\b/.exec(refusal) ?? [];
  if (map !== undefined) return `${template}.${map}`;
  if (/\bsecretName\b/.test(refusal)) return `${memberField(endpoint.spec.member)}.proxy.credentialsSecretRef.name`;
  return template;
}

/** A pod has its member's tolerations first, then the template's. */
function tolerationField(index: number, endpoint: EgressEndpoint, world: Facts): string {
  const ofMember = memberOf(endpoint, world)?.nodePool?.tolerations.length ?? 0;
  return index < ofMember
    ? `${memberField(endpoint.spec.member)}.nodePool.tolerations[${index}]`
    : `${template}.tolerations[${index - ofMember}]`;
}
