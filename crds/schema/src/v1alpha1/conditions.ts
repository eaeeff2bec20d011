import { z } from "zod";
import { Timestamp } from "./primitives.ts";

/** Every condition of a device stands in status from the first visit on. */
export const deviceConditions = [
  "Ready",
  "Scheduled",
  "Paired",
  "Connected",
  "EgressHealthy",
  "ClientCurrent",
  "Reconciling",
  "Stalled",
] as const;
export type DeviceConditionType = (typeof deviceConditions)[number];

export const poolConditions = ["Ready", "Reconciling", "Stalled"] as const;
export type PoolConditionType = (typeof poolConditions)[number];

export const endpointConditions = ["Ready"] as const;
export type EndpointConditionType = (typeof endpointConditions)[number];

export const Condition = z.object({
  type: z.string().max(64).describe("Which aspect of the resource this condition reports."),
  status: z.enum(["True", "False", "Unknown"]).describe("Whether it holds."),
  reason: z.string().max(64).describe("One CamelCase word for why, stable enough for scripts."),
  message: z.string().max(1024).default("").describe("The same for a person, naming field and value."),
  lastTransitionTime: Timestamp.describe("When status last changed."),
  observedGeneration: z.int().describe("metadata.generation that this condition was computed for."),
});
export type Condition = z.infer<typeof Condition>;

/** Derived for people from conditions and session state; code never reads it back except where the decision record says so. */
export const devicePhases = [
  "Pending",
  "Scheduled",
  "Connecting",
  "AwaitingPairing",
  "Connected",
  "Reconnecting",
  "Hibernated",
  "LoggedOut",
  "Blocked",
  "Suspended",
  "Terminating",
] as const;
export type DevicePhase = (typeof devicePhases)[number];
