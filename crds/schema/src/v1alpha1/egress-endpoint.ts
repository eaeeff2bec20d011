import { z } from "zod";
import { Condition } from "./conditions.ts";
import { ObjectMeta, Timestamp } from "./primitives.ts";
import { Proxy } from "./egress-pool.ts";
import { withRules } from "./rules.ts";

/** Written once by the operator; what can change stands in status. */
export const EndpointSpec = withRules(
  z.object({
    pool: z.string().min(1).max(40).describe("EgressPool it belongs to."),
    member: z.string().min(1).max(20).describe("Member of that pool."),
    node: z
      .object({
        name: z.string().max(253).describe("Name of the node."),
        uid: z.string().max(64).describe("UID of the node object."),
      })
      .optional()
      .describe("The node whose address sessions leave by."),
    proxy: Proxy.optional().describe("The proxy that sessions leave by."),
  }),
  [
    {
      rule: "self == oldSelf",
      message: "an EgressEndpoint's spec is immutable; the operator makes and deletes endpoints",
    },
  ],
);
export type EndpointSpec = z.infer<typeof EndpointSpec>;

/** A session pod that the operator means to create or has created: a pod that carries the nonce is ours, and its UID is recorded. */
export const PodRecord = z.object({
  name: z.string().max(253).describe("Name of the session pod."),
  nonce: z.string().max(64).describe("One-use proof that the operator created it."),
  uid: z.string().max(64).optional().describe("UID of the pod that carried the nonce."),
  dedicatedTo: z.string().max(63).optional().describe("Name of the only device it runs, if dedicated."),
});
export type PodRecord = z.infer<typeof PodRecord>;

export const EndpointStatus = z.object({
  phase: z
    .enum(["Pending", "Active", "Draining", "Disabled"])
    .optional()
    .describe("Active takes devices; Draining keeps those it has."),
  observedIPs: z.array(z.string().max(64)).max(16).default([]).describe("Addresses that the outside saw."),
  observedIPsChangedAt: Timestamp.optional().describe("When they last changed."),
  devices: z.int().default(0).describe("Devices assigned to it."),
  maxSessions: z.int().default(0).describe("Most devices it carries."),
  pods: z.array(PodRecord).max(512).default([]).describe("Its session pods."),
  conditions: z.array(Condition).max(16).default([]).describe("Ready."),
});
export type EndpointStatus = z.infer<typeof EndpointStatus>;

export const EgressEndpoint = z.object({
  metadata: ObjectMeta,
  spec: EndpointSpec,
  status: EndpointStatus.prefault({}),
});
/** One way out: a node of a node-pool member, or a proxy member. */
export type EgressEndpoint = z.infer<typeof EgressEndpoint>;
