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
  "Restricted",
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

interface ConditionMeanings {
  readonly WhatsAppDevice: Readonly<Record<DeviceConditionType, string>>;
  readonly EgressPool: Readonly<Record<PoolConditionType, string>>;
  readonly EgressEndpoint: Readonly<Record<EndpointConditionType, string>>;
}

const reconciling = "The operator is at work on it and nothing hinders it.";
const stalled = "It cannot go on before somebody changes something; the message says what.";

/** What each condition says when it is True; the docs' tables come from here. */
export const conditionMeanings: ConditionMeanings = {
  WhatsAppDevice: {
    Ready: "The device is linked and connected: it sends and receives.",
    Scheduled: "It has an endpoint and a session pod.",
    Paired: "A phone has linked it, and its credentials are in the store.",
    Connected: "Its session is connected to WhatsApp now.",
    EgressHealthy: "Nothing is known against its way out.",
    ClientCurrent: "WhatsApp accepts the client version that it announces.",
    Restricted: "WhatsApp keeps the account from something, as from writing to people it never wrote with.",
    Reconciling: reconciling,
    Stalled: stalled,
  },
  EgressPool: {
    Ready: "At least one of its ways out is ready for devices.",
    Reconciling: reconciling,
    Stalled: stalled,
  },
  EgressEndpoint: { Ready: "Devices can leave by it." },
};

export const phaseMeanings: Readonly<Record<DevicePhase, string>> = {
  Pending: "It has no endpoint yet.",
  Scheduled: "It has an endpoint and waits for its session pod or its turn to start.",
  Connecting: "A connection attempt is under way.",
  AwaitingPairing: "A QR or pairing code waits for the phone.",
  Connected: "The session is connected.",
  Reconnecting: "The connection ended and the session tries again by itself.",
  Hibernated:
    "Nobody scanned in time, or the attempts before the first code failed: no socket, no loop, until pairing is requested again.",
  LoggedOut: "The phone unlinked the device; pairing it again needs a request.",
  Blocked: "Only a person can help: `.status.lastDisconnect.advice` says how.",
  Suspended: "`spec.suspend` is true.",
  Terminating: "The device is being deleted.",
};
