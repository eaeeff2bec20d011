import type { Links } from "../hub/links.ts";
import { keyOf, type PodLink, type World } from "../plan/world.ts";
import type { Context } from "./context.ts";

interface GoneContext extends Pick<Context, "view" | "actor" | "queues" | "logger"> {
  readonly links: Pick<Links, "cut">;
}

/** How soon a pod is asked about again that the mirror does not have and the API server has. */
const doubtRecheckMs = 15_000;

/**
 * Ends the links of pods that are no more: whoever still speaks for one has a token without a pod. The mirror only raises the
 * question; it may be behind, and knows no pod whose labels somebody took away. One that is terminating keeps its link.
 */
export async function cutGonePods(
  endpointKey: string,
  { view, actor, queues, links, logger }: GoneContext,
): Promise<void> {
  for (const link of linkedWithoutPod(endpointKey, view.snapshot())) {
    try {
      const found = await actor.pods.get(link);
      if (found?.uid !== link.uid) {
        logger.warn({ pod: keyOf(link), uid: link.uid }, "Ending the link of a pod that is gone");
        links.cut(link.uid);
        continue;
      }
    } catch (error) {
      // No answer is no proof.
      logger.warn({ pod: keyOf(link), err: error }, "Keeping the link of a pod that cannot be looked up");
    }
    queues.endpoints.addAfter(endpointKey, doubtRecheckMs);
  }
}

const linkedWithoutPod = (endpointKey: string, { links, pods }: World): readonly PodLink[] =>
  [...links.values()].filter(
    (link) =>
      link.isConnected &&
      keyOf({ namespace: link.namespace, name: link.endpoint }) === endpointKey &&
      pods.get(keyOf(link))?.uid !== link.uid,
  );
