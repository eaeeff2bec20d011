import { z } from "zod";
import { defineKind } from "../src/kube/kind.ts";

/** A kind that every API server has and no controller of ours touches. */
export const configMaps = defineKind({
  group: "",
  version: "v1",
  kind: "ConfigMap",
  plural: "configmaps",
  isNamespaced: true,
  schema: z.object({
    metadata: z.object({ name: z.string(), uid: z.string(), labels: z.record(z.string(), z.string()).default({}) }),
    data: z.record(z.string(), z.string()).default({}),
  }),
});
export type ConfigMap = ReturnType<typeof configMaps.parse>;
