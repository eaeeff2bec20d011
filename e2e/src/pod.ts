import { z } from "zod";

/** What the stories look at of a pod. */
export const PodView = z.object({
  metadata: z.object({
    name: z.string(),
    uid: z.string(),
    labels: z.record(z.string(), z.string()).default({}),
    deletionTimestamp: z.string().optional(),
  }),
  spec: z.object({ nodeName: z.string().default("") }),
  status: z.object({
    podIP: z.string().optional(),
    containerStatuses: z
      .array(z.object({ containerID: z.string().default(""), restartCount: z.int(), ready: z.boolean() }))
      .default([]),
  }),
});
export type PodView = z.infer<typeof PodView>;
