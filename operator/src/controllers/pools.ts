import { perform } from "../act/perform.ts";
import { writeStatus } from "../act/status.ts";
import { isNotFound } from "../kube/api-error.ts";
import type { Reconciled } from "../kube/workers.ts";
import { planPool } from "../plan/pool.ts";
import { mustLead, type Context } from "./context.ts";

/** One visit to one pool. */
export async function reconcilePool(key: string, context: Context): Promise<Reconciled> {
  const { view, actor, clock } = context;
  const world = view.snapshot();
  const pool = world.pools.get(key);
  if (pool === undefined) return {};
  const plan = planPool(pool, world, clock());
  mustLead(context);
  for (const action of plan.actions) if (action.kind !== "Note") await perform(action, actor);
  if (plan.status === undefined) return {};
  const noting = {
    patchStatus: async (...args: Parameters<typeof actor.pools.patchStatus>) => {
      const written = await actor.pools.patchStatus(...args);
      view.wrotePool(written);
      return written;
    },
  };
  await writeStatus(noting, pool, plan.status).catch((error: unknown) => {
    if (!isNotFound(error)) throw error;
  });
  for (const action of plan.actions) if (action.kind === "Note") await perform(action, actor);
  return {};
}
