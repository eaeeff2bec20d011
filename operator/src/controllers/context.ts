import type { Logger } from "pino";
import type { Actor } from "../act/perform.ts";
import type { WorkQueue } from "../kube/queue.ts";
import type { Now } from "../plan/world.ts";
import type { OperatorMetrics } from "../observe/metrics.ts";
import type { View } from "../world/view.ts";
import type { OneAtATime } from "../kube/one-at-a-time.ts";

export interface Queues {
  readonly devices: WorkQueue;
  readonly pools: WorkQueue;
  readonly endpoints: WorkQueue;
}

/** What every controller works with. */
export interface Context {
  readonly view: View;
  readonly actor: Actor;
  readonly queues: Queues;
  readonly metrics: OperatorMetrics;
  readonly logger: Logger;
  readonly clock: () => Now;
  /** False as soon as the Lease is not surely held any more: nothing is written then. */
  readonly isLeading: () => boolean;
  readonly seats: OneAtATime;
}

/** This process does not lead any more; it is about to end. */
class NotLeadingError extends Error {
  override readonly name = "NotLeadingError";
}

export function mustLead(context: Pick<Context, "isLeading">): void {
  if (!context.isLeading()) throw new NotLeadingError("the Lease is not held; nothing is written");
}

export const wallAndMonotonic = (): Now => ({ date: new Date(), monotonicMs: performance.now() });
