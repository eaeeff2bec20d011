import {
  annotations,
  boundedEpoch,
  EgressEndpoint,
  EgressPool,
  group,
  kinds,
  mostStarts,
  ObjectMeta,
  version,
  WhatsAppDevice,
} from "@wa/schema";
import { z } from "zod";
import { defineKind, type Kind } from "../kube/kind.ts";
import type { NodeFacts, PodFacts } from "../plan/world.ts";
import { ContainerStatuses, problemOf } from "./pod-problem.ts";

const ours = <T>(names: { readonly kind: string; readonly plural: string }, schema: z.ZodType<T>): Kind<T> =>
  defineKind({ group, version, kind: names.kind, plural: names.plural, isNamespaced: true, schema });

/** A status of an earlier release may hold an epoch beyond the bound: such a device must not vanish, or nothing could end it. */
export const deviceKind = ours(kinds.device, z.preprocess(withEpochWithinBounds, WhatsAppDevice));
/** An earlier release took higher limits: such a pool must not vanish, and counts with what a ledger holds. */
export const poolKind = ours(kinds.pool, z.preprocess(withinBounds, EgressPool));
export const endpointKind = ours(kinds.endpoint, EgressEndpoint);

const Limit = z.looseObject({
  count: z
    .number()
    .transform((count) => Math.min(count, mostStarts))
    .optional(),
});
const Limited = z.looseObject({
  spec: z.looseObject({
    startLimits: z.looseObject({ login: Limit.optional(), registration: Limit.optional() }).optional(),
  }),
});

function withinBounds(pool: unknown): unknown {
  const { data } = Limited.safeParse(pool);
  return data ?? pool;
}

const Claimed = z.looseObject({
  status: z.looseObject({ assignment: z.looseObject({ epoch: z.number().transform(boundedEpoch) }) }),
});

function withEpochWithinBounds(device: unknown): unknown {
  const { data } = Claimed.safeParse(device);
  return data ?? device;
}

const core = { group: "", version: "v1" } as const;

const Owner = z.object({ kind: z.string(), uid: z.string(), controller: z.boolean().default(false) });
const Pod = z.object({
  metadata: ObjectMeta.extend({ ownerReferences: z.array(Owner).default([]) }),
  spec: z.object({ nodeName: z.string().default("") }).prefault({}),
  status: z
    .object({
      phase: z.enum(["Pending", "Running", "Succeeded", "Failed", "Unknown"]).catch("Unknown"),
      conditions: z
        .array(
          z.object({
            type: z.string(),
            status: z.string(),
            reason: z.string().default(""),
            message: z.string().default(""),
          }),
        )
        .default([]),
      initContainerStatuses: ContainerStatuses,
      containerStatuses: ContainerStatuses,
    })
    .prefault({ phase: "Pending" }),
});

export const podKind: Kind<PodFacts> = defineKind({
  ...core,
  kind: "Pod",
  plural: "pods",
  isNamespaced: true,
  schema: Pod.transform(({ metadata, spec, status }): PodFacts => ({
    namespace: metadata.namespace,
    name: metadata.name,
    uid: metadata.uid,
    nonce: metadata.annotations[annotations.nonce] ?? "",
    endpointUid: endpointUidOf(metadata),
    phase: status.phase,
    isTerminating: metadata.deletionTimestamp !== undefined,
    nodeName: spec.nodeName,
    problem: problemOf(status),
  })),
});

const endpointUidOf = ({ ownerReferences }: z.infer<typeof Pod>["metadata"]): string =>
  ownerReferences.find(({ kind, controller }) => controller && kind === kinds.endpoint.kind)?.uid ?? "";

export const nodeKind: Kind<NodeFacts> = defineKind({
  ...core,
  kind: "Node",
  plural: "nodes",
  isNamespaced: false,
  schema: z
    .object({ metadata: ObjectMeta })
    .transform(({ metadata }): NodeFacts => ({ name: metadata.name, uid: metadata.uid, labels: metadata.labels })),
});

/** What is on its way out. */
const Going = z.object({ metadata: ObjectMeta }).transform(({ metadata }) => ({
  name: metadata.name,
  isTerminating: metadata.deletionTimestamp !== undefined,
}));
export type Going = z.infer<typeof Going>;

export const namespaceKind: Kind<Going> = defineKind({
  ...core,
  kind: "Namespace",
  plural: "namespaces",
  isNamespaced: false,
  schema: Going,
});

export const crdKind: Kind<Going> = defineKind({
  group: "apiextensions.k8s.io",
  version: "v1",
  kind: "CustomResourceDefinition",
  plural: "customresourcedefinitions",
  isNamespaced: false,
  schema: Going,
});

/** For mirrors: one object that does not fit its schema must not hide all others. `onMisfit` is called once for each version. */
export function tolerant<T>(kind: Kind<T>, onMisfit: (error: unknown) => void): Kind<T | undefined> {
  return {
    ...kind,
    parse: (raw) => {
      try {
        return kind.parse(raw);
      } catch (error) {
        onMisfit(error);
        return undefined;
      }
    },
  };
}
