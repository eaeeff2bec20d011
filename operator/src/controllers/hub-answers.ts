import { durationMs, PoolSpec } from "@wa/schema";
import type { AssignmentOf, BudgetOf, IsOurPod } from "../hub/links.ts";
import type { World } from "../plan/world.ts";

/** Only pods whose UID an endpoint's status holds are ours: a token alone proves nothing, a namespace's editor can mint one. */
export function isOurPodIn(world: () => World): IsOurPod {
  return ({ namespace, name, uid }) => {
    for (const { metadata, status } of world().endpoints.values()) {
      const isRecorded = status.pods.some((record) => record.name === name && record.uid === uid);
      if (metadata.namespace === namespace && isRecorded) return { kind: "Ours", endpoint: metadata.name };
    }
    return { kind: "Foreign", message: `no EgressEndpoint in ${namespace} has recorded pod ${name} with UID ${uid}` };
  };
}

/** By status, which a leader writes before it tells the pod. */
export function assignmentIn(world: () => World): AssignmentOf {
  return (podUid) => {
    const { devices } = world();
    return ({ namespace, name, uid }) => {
      const device = devices.get(`${namespace}/${name}`);
      if (device?.metadata.uid !== uid) return "Unknown";
      return device.status.assignment?.podUID === podUid ? "Here" : "Elsewhere";
    };
  };
}

const defaults = PoolSpec.parse({}).startLimits;

/** Budgets of an endpoint: its own ledger, and one an observed address, shared by everybody who leaves by it. */
export function budgetsIn(world: () => World, ledgerOf: (subject: string) => string): BudgetOf {
  return (namespace, name, heardIPs) => {
    const { endpoints, pools } = world();
    const endpoint = endpoints.get(`${namespace}/${name}`);
    const pool = pools.get(`${namespace}/${endpoint?.spec.pool ?? ""}`);
    const { login, registration } = pool?.spec.startLimits ?? defaults;
    const subjects = [`${namespace}/${name}`, ...(endpoint?.status.observedIPs ?? []), ...heardIPs];
    const limit = ({ count, period }: typeof login) => ({ count, periodMs: durationMs(period) });
    return {
      ledgers: [...new Set(subjects.map(ledgerOf))],
      limits: { login: limit(login), registration: limit(registration) },
    };
  };
}
