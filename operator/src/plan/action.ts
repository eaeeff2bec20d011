import type { SessionPod } from "../build/session-pod.ts";
import type { Assignment, EgressEndpoint, PodRecord } from "@wa/schema";
import type { ActedOn } from "./refusals.ts";
import type { PodFacts } from "./world.ts";

/** Which object an action or Event is about. */
export interface Target {
  readonly kind: "WhatsAppDevice" | "EgressPool" | "EgressEndpoint";
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
}

/** A finding for people, published as an Event. Never a code, key or phone number in it. */
export interface Note {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
}

/** What a plan asks the write side to do, in this order, before status is written. */
export type Action =
  | { readonly kind: "SetFinalizers"; readonly target: Target; readonly finalizers: readonly string[] }
  | {
      readonly kind: "CreateEndpoint";
      readonly namespace: string;
      readonly name: string;
      readonly labels: Readonly<Record<string, string>>;
      readonly spec: EgressEndpoint["spec"];
    }
  | { readonly kind: "SetEndpointLabels"; readonly target: Target; readonly labels: Readonly<Record<string, string>> }
  | { readonly kind: "DeleteEndpoint"; readonly target: Target }
  /** Only under this very record, as the API server has it: a mirror may be behind. */
  | { readonly kind: "CreatePod"; readonly pod: SessionPod; readonly endpoint: Target; readonly record: PodRecord }
  | {
      readonly kind: "DeletePod";
      readonly namespace: string;
      readonly name: string;
      readonly uid: string;
      /** Ended: it stopped by itself, and the next one is paced. Empty: no device needs it. */
      readonly why: "Ended" | "Empty";
    }
  /** A pod of this endpoint that no record knows, once the API server's own copy of the endpoint says so too. */
  | { readonly kind: "DeleteStray"; readonly pod: PodFacts; readonly endpoint: Target }
  /** Reads past the cache, and fails while the pod lives: its record may be renewed or dropped only once it is gone. */
  | {
      readonly kind: "ExpectPodGone";
      readonly namespace: string;
      readonly record: PodRecord;
    }
  | { readonly kind: "Note"; readonly target: Target; readonly note: Note };

export type ActionOf<Kind extends Action["kind"]> = Extract<Action, { readonly kind: Kind }>;

/** The object that an action is on. */
export function objectOf(action: Action): ActedOn {
  switch (action.kind) {
    case "SetFinalizers":
    case "SetEndpointLabels":
    case "DeleteEndpoint":
    case "Note":
      return action.target;
    case "CreateEndpoint":
      return { kind: "EgressEndpoint", namespace: action.namespace, name: action.name };
    case "CreatePod":
      return { kind: "Pod", ...action.pod.metadata };
    case "DeletePod":
      return { kind: "Pod", namespace: action.namespace, name: action.name };
    case "DeleteStray":
      return { kind: "Pod", namespace: action.pod.namespace, name: action.pod.name };
    case "ExpectPodGone":
      return { kind: "Pod", namespace: action.namespace, name: action.record.name };
    default:
      return action satisfies never;
  }
}

/** An assignment as plans make it; the shell adds the data keys. */
export type PlannedAssignment = Omit<Assignment, "dataKeys">;

/** The whole wish for one session pod. */
export interface DesiredPod {
  readonly podUid: string;
  readonly egressIPEndpoints: readonly string[];
  readonly assignments: readonly PlannedAssignment[];
}

export interface Plan<Status> {
  readonly actions: readonly Action[];
  /** Written only if it differs from what was found; undefined: the object is to be left as it is. */
  readonly status: Status | undefined;
  /** Look again after this long even if nothing changes. */
  readonly recheckAfterMs?: number;
}

export function targetOf(
  kind: Target["kind"],
  metadata: Pick<Target, "namespace" | "name" | "uid" | "resourceVersion">,
): Target {
  const { namespace, name, uid, resourceVersion } = metadata;
  return { kind, namespace, name, uid, resourceVersion };
}

/** The sooner of two rechecks. */
export function sooner(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined) return b;
  return b === undefined ? a : Math.min(a, b);
}
