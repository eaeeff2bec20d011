import {
  durationMs,
  longestPeriodMs,
  mostStarts,
  observedAddress,
  PoolSpec,
  type EgressEndpoint,
  type ObservedAddress,
} from "@wa/schema";
import type { AssignmentOf, BudgetOf, Draw, IsOurPod, StartLimits } from "../hub/links.ts";
import { tenantsOf } from "../plan/capacity.ts";
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

const limitsOf = ({ login, registration }: typeof defaults): StartLimits => ({
  login: limitOf(login),
  registration: limitOf(registration),
});
const limitOf = ({ count, period }: (typeof defaults)["login"]) => ({
  count: Math.min(count, mostStarts),
  periodMs: Math.min(durationMs(period), longestPeriodMs),
});

const poolKeyOf = ({ metadata, spec }: EgressEndpoint): string => `${metadata.namespace}/${spec.pool}`;
const addressesOf = ({ status }: EgressEndpoint): ObservedAddress[] =>
  status.observedIPs.flatMap((text) => observedAddress(text) ?? []);

/** Names of ledgers, and codes of pools in them. */
export interface LedgerNames {
  readonly ledgerOf: (subject: string) => string;
  readonly poolCode: (pool: string) => string;
}

/** Budgets of an endpoint: its own ledger, and one an observed address, shared by everybody who leaves by it. */
export function budgetsIn(world: () => World, { ledgerOf, poolCode }: LedgerNames): BudgetOf {
  return (namespace, name, heardIPs) => {
    const now = world();
    const key = `${namespace}/${name}`;
    const endpoint = now.endpoints.get(key);
    const pool = endpoint === undefined ? key : poolKeyOf(endpoint);
    const limits = limitsOf(now.pools.get(pool)?.spec.startLimits ?? defaults);
    const tellers = tellersByLedger(now, ledgerOf);
    const heard = heardIPs.flatMap((text) => observedAddress(text) ?? []);
    const addresses = [...(endpoint === undefined ? [] : addressesOf(endpoint)), ...heard];
    const own: Draw = {
      ledger: ledgerOf(key),
      others: new Map(),
      isNamed: (endpoint?.status.pods.length ?? 0) > 0,
    };
    const shared = [...new Set(addresses.map(ledgerOf))].map((ledger): Draw => {
      const named = tellers.get(ledger) ?? [];
      const others = new Set(named.filter((other) => isUsed(other, now)).map(poolKeyOf));
      others.delete(pool);
      const limitsOfPool = (other: string) => limitsOf(now.pools.get(other)?.spec.startLimits ?? defaults);
      return {
        ledger,
        others: new Map([...others].map((other) => [poolCode(other), limitsOfPool(other)])),
        isNamed: named.length > 0,
      };
    });
    return { pool: poolCode(pool), limits, draws: [own, ...shared] };
  };
}

/** Names of all ledgers that an endpoint's status names, its own among them. */
export function namedLedgersIn(world: () => World, ledgerOf: (subject: string) => string): () => ReadonlySet<string> {
  return () => {
    const { endpoints } = world();
    const subjects = [...endpoints].flatMap(([key, endpoint]) => [key, ...addressesOf(endpoint)]);
    return new Set(subjects.map(ledgerOf));
  };
}

/** Who could start there: a pool whose last device has gone takes nothing of what the others share. */
const isUsed = (endpoint: EgressEndpoint, world: World): boolean => tenantsOf(endpoint, world) > 0;

/** Kept as long as the world stands as it is: it is asked for with each start. */
const tellersOf = new WeakMap<World, ReadonlyMap<string, readonly EgressEndpoint[]>>();

function tellersByLedger(
  world: World,
  ledgerOf: (subject: string) => string,
): ReadonlyMap<string, readonly EgressEndpoint[]> {
  const known = tellersOf.get(world);
  if (known !== undefined) return known;
  const tellers = new Map<string, EgressEndpoint[]>();
  for (const endpoint of world.endpoints.values())
    for (const ledger of new Set(addressesOf(endpoint).map(ledgerOf)))
      tellers.set(ledger, [...(tellers.get(ledger) ?? []), endpoint]);
  tellersOf.set(world, tellers);
  return tellers;
}
