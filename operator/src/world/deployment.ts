import { labels, labelValues, ObjectMeta } from "@wa/schema";
import { z } from "zod";
import { defineKind, type Kind } from "../kube/kind.ts";
import { resource } from "../kube/resource.ts";
import type { Transport } from "../kube/transport.ts";
import type { OperatorDeployment } from "../plan/uninstall-step.ts";

interface Deployment extends OperatorDeployment {
  /** Its pods are an operator's. */
  readonly isOperator: boolean;
}

/** The chart's, on each of its objects. */
const labelSelector = "app.kubernetes.io/name=whatsapp-operator";

const Labels = z.record(z.string(), z.string()).default({});

const deploymentKind: Kind<Deployment> = defineKind({
  group: "apps",
  version: "v1",
  kind: "Deployment",
  plural: "deployments",
  isNamespaced: true,
  schema: z
    .object({
      metadata: ObjectMeta,
      spec: z.object({ template: z.object({ metadata: z.object({ labels: Labels }).prefault({}) }) }),
    })
    .transform(({ metadata, spec }) => ({
      namespace: metadata.namespace,
      name: metadata.name,
      isTerminating: metadata.deletionTimestamp !== undefined,
      isOperator: spec.template.metadata.labels[labels.component] === labelValues.operator,
    })),
});

/** Deployments of operators in the whole cluster; the one of this name whatever its labels say. */
export async function operatorDeployments(
  transport: Transport,
  own: { readonly namespace: string; readonly name: string },
): Promise<readonly OperatorDeployment[]> {
  const deployments = resource(transport, deploymentKind);
  const [named, labelled] = await Promise.all([deployments.get(own), deployments.list({ labelSelector })]);
  return [...(named === undefined ? [] : [named]), ...labelled.filter(({ isOperator }) => isOperator)];
}
