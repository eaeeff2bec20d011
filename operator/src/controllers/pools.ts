import type { EgressPool, PoolStatus } from "@wa/schema";
import { writeStatus } from "../act/status.ts";
import { isNotFound } from "../kube/api-error.ts";
import type { Reconciled } from "../kube/workers.ts";
import { targetOf, type Plan } from "../plan/action.ts";
import { planPool } from "../plan/pool.ts";
import { keyOf } from "../plan/world.ts";
import { actAll, refusedRecheckMs, tellAll, whileWriting } from "./act.ts";
import { mustLead, type Context } from "./context.ts";

/** One visit to one pool. */
export async function reconcilePool(key: string, context: Context): Promise<Reconciled> {
  const planned = planOf(key, context);
  if (planned === undefined) return {};
  mustLead(context);
  const target = targetOf("EgressPool", planned.pool.metadata);
  const isRefused = await actAll(planned.plan.actions, target, context);
  if (isRefused) wakeWaiting(key, context);
  const { pool, plan } = isRefused ? (planOf(key, context) ?? planned) : planned;
  const again = isRefused ? { requeueAfterMs: refusedRecheckMs } : {};
  if (plan.status === undefined) return again;
  if (await write(pool, plan.status, context)) return { requeueAfterMs: refusedRecheckMs };
  await tellAll(plan.actions, context);
  return again;
}

interface Planned {
  readonly pool: EgressPool;
  readonly plan: Plan<PoolStatus>;
}

function planOf(key: string, { view, clock }: Context): Planned | undefined {
  const world = view.snapshot();
  const pool = world.pools.get(key);
  return pool === undefined ? undefined : { pool, plan: planPool(pool, world, clock()) };
}

/** Devices that wait for an endpoint which is not made: they say why, once each. */
function wakeWaiting(key: string, { view, queues }: Context): void {
  for (const device of view.snapshot().devicesOfPool.get(key) ?? [])
    if (device.status.phase === "Pending" || device.status.phase === undefined)
      queues.devices.add(keyOf(device.metadata));
}

/** True: the API server refuses the status. */
async function write(pool: EgressPool, next: PoolStatus, context: Context): Promise<boolean> {
  const { view, actor } = context;
  const noting = {
    patchStatus: async (...args: Parameters<typeof actor.pools.patchStatus>) => {
      const written = await actor.pools.patchStatus(...args);
      view.wrotePool(written);
      return written;
    },
  };
  const target = targetOf("EgressPool", pool.metadata);
  return await whileWriting(target, async () => void (await writeStatus(noting, pool, next)), context).catch(
    (error: unknown) => {
      if (isNotFound(error)) return false;
      throw error;
    },
  );
}
