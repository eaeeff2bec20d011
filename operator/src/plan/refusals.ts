import { keyOf, type Memory } from "./world.ts";

/** An object that the operator acts on. */
export interface ActedOn {
  readonly kind: "WhatsAppDevice" | "EgressPool" | "EgressEndpoint" | "Pod";
  readonly namespace: string;
  readonly name: string;
}

/** What the API server does not let the operator do, in its own words. */
export interface Refusal {
  readonly verb: "create" | "change" | "delete" | "read" | "write the status of";
  readonly message: string;
}

export const refusalKey = (object: ActedOn): string => `${object.kind} ${keyOf(object)}`;

/** A refusal that stands: it came for good, or again and again. */
export const refusalOf = (
  kind: ActedOn["kind"],
  { namespace, name }: { readonly namespace: string; readonly name: string },
  world: { readonly memory: Pick<Memory, "refusals"> },
): Refusal | undefined => world.memory.refusals.get(refusalKey({ kind, namespace, name }));

/** For people. An admission webhook that is down, a policy, a quota: it is tried again all the time. */
export const sayRefusal = (object: ActedOn, { verb, message }: Refusal): string =>
  `the API server does not let the operator ${verb} ${object.kind} ${keyOf(object)}: ${message}`;
