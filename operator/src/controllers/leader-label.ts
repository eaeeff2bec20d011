import { labels, labelValues } from "@wa/schema";
import { isNotFound } from "../kube/api-error.ts";
import type { ObjectName } from "../kube/object.ts";
import type { Resource } from "../kube/resource.ts";
import type { PodFacts } from "../plan/world.ts";

/**
 * The hub's Service selects the leader's pod by this label. A crashed leader's container keeps its pod's label over a restart,
 * and with two labelled pods dials alternate: so every process takes its own away at its start, and a leader takes it from all others first.
 */
export async function removeLeaderLabel(pods: Resource<PodFacts>, self: ObjectName): Promise<void> {
  await label(pods, self, null);
}

export async function takeLeaderLabel(pods: Resource<PodFacts>, self: ObjectName): Promise<void> {
  const labelSelector = `${labels.component}=${labelValues.operator},${labels.leader}=true`;
  const labelled = await pods.list({ namespace: self.namespace, labelSelector });
  await Promise.all(
    labelled.filter(({ name }) => name !== self.name).map(async (other) => await label(pods, other, null)),
  );
  await label(pods, self, "true");
}

async function label(pods: Resource<PodFacts>, pod: ObjectName, value: "true" | null): Promise<void> {
  try {
    const { namespace, name } = pod;
    await pods.mergePatch({ namespace, name }, { metadata: { labels: { [labels.leader]: value } } });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
