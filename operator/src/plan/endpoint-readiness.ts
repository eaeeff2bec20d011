import {
  isEndpointReason,
  type EgressEndpoint,
  type EndpointReason,
  type EndpointStatus,
  type PodRecord,
} from "@wa/schema";
import type { Note } from "./action.ts";
import { linkRefused, podTrouble } from "./pod-situation.ts";
import { proxyField } from "./proxy-words.ts";
import { conditionOf, setConditions, type Wanted } from "./set-conditions.ts";
import { standingOf, type Standing } from "./standing.ts";
import type { Now, PodLink, World } from "./world.ts";

interface Trouble {
  readonly reason: EndpointReason;
  readonly message: string;
}

/** Whether devices can leave by an endpoint, and why not. `pods`: the records as they stand after this pass. */
export function endpointConditions(
  endpoint: EgressEndpoint,
  pods: readonly PodRecord[],
  world: World,
  now: Now,
): EndpointStatus["conditions"] {
  const { metadata, status } = endpoint;
  return setConditions(status.conditions, [readiness(endpoint, pods, world)], metadata.generation, now.date);
}

/** An Event for a trouble that somebody may have to mend, once when it begins. */
export function endpointNotes({ status: found }: EgressEndpoint, next: EndpointStatus): Note[] {
  const ready = conditionOf(next, "Ready");
  if (ready === undefined || (ready.status !== "False" && !told.has(ready.reason)) || passing.has(ready.reason))
    return [];
  if (conditionOf(found, "Ready")?.reason === ready.reason) return [];
  return [{ type: "Warning", reason: ready.reason, message: ready.message }];
}

/** While the endpoint works. */
const told: ReadonlySet<string> = new Set(["StoreChanged", "StoreLoginRefused"] satisfies EndpointReason[]);

/** Wanted by a person, or over by itself. */
const passing: ReadonlySet<string> = new Set(["Draining", "Disabled", "Orphaned", "NotLinked"]);

export const linksOf = ({ metadata }: EgressEndpoint, world: World): PodLink[] =>
  [...world.links.values()].filter((link) => link.namespace === metadata.namespace && link.endpoint === metadata.name);

function readiness(endpoint: EgressEndpoint, pods: readonly PodRecord[], world: World): Wanted<EndpointReason> {
  const type = "Ready";
  const standing = standingOf(endpoint, world);
  if (standing !== "Active") return { type, status: "False", reason: standing, message: sentences[standing] };
  const links = linksOf(endpoint, world);
  const linked = links.filter(({ isConnected }) => isConnected);
  const trouble = wayTrouble(linked);
  if (trouble !== undefined) return { type, status: "False", ...withField(trouble, endpoint, world) };
  if (pods.length === 0)
    return { type, status: "True", reason: "Idle", message: "takes devices; no session pod runs yet" };
  if (linked.length > 0) return { type, status: "True", ...(storeTrouble(linked) ?? linkedWell) };
  const hindrance = pods.map((record) => podTrouble(record, endpoint, world)).find((found) => found !== undefined);
  return { type, status: "False", ...(hindrance ?? refusalOf(links) ?? notLinked) };
}

const linkedWell: Trouble = { reason: "Linked", message: "its session pods answer" };

/** Its devices work, and somebody who has changed the store's Secret learns what became of it. */
function storeTrouble(linked: readonly PodLink[]): Trouble | undefined {
  const found = linked.flatMap(({ name, storeProblem }) =>
    storeProblem === undefined ? [] : [{ name, storeProblem }],
  );
  const [first] = found;
  if (first === undefined) return undefined;
  const { reason, message } = first.storeProblem;
  const more = found.length > 1 ? ` (and ${found.length - 1} more)` : "";
  return {
    reason: isEndpointReason(reason) ? reason : "StoreChanged",
    message: `session pod ${first.name}${more}: ${message}`,
  };
}

const notLinked: Trouble = { reason: "NotLinked", message: "none of its session pods has a link to the operator" };

function refusalOf(links: readonly PodLink[]): Trouble | undefined {
  const [found] = links.flatMap(({ name, refusal }) => (refusal === undefined ? [] : [linkRefused(name, refusal)]));
  return found;
}

/** What linked pods say against their way out. */
function wayTrouble(linked: readonly PodLink[]): Trouble | undefined {
  const problem = linked.find(({ egressProblem }) => egressProblem !== undefined)?.egressProblem;
  const fault = proxyFault(linked);
  // A missing Secret says more than its consequence; an echo that fails says less.
  if (problem === undefined || (problem.reason === "EchoFailed" && fault !== undefined)) return fault;
  const { reason, message } = problem;
  return { reason: isEndpointReason(reason) ? reason : "EgressUnready", message };
}

/** Every session that tried came to the same end: it is the proxy, not a device. */
function proxyFault(linked: readonly PodLink[]): Trouble | undefined {
  const tried = linked
    .flatMap(({ sessions }) => [...sessions.values()])
    .filter(({ state, lastDisconnect }) => hasWay.has(state) || lastDisconnect !== undefined);
  const [first] = tried;
  if (first === undefined) return undefined;
  const isFault = tried.every(
    ({ state, lastDisconnect }) => !hasWay.has(state) && lastDisconnect?.cause === "ProxyFault",
  );
  return isFault ? { reason: "ProxyFault", message: first.lastDisconnect?.message ?? "" } : undefined;
}

/** The session's connection stands. */
const hasWay: ReadonlySet<string> = new Set(["AwaitingPairing", "Connected"]);

function withField({ reason, message }: Trouble, endpoint: EgressEndpoint, world: World): Trouble {
  const field = proxyField(reason, endpoint, world);
  return { reason, message: field === undefined ? message : `${message} (${field})` };
}

const sentences: Readonly<Record<Exclude<Standing, "Active">, string>> = {
  Draining: "its member is Draining: it keeps its devices and takes no new ones",
  Disabled: "its member is Disabled: it takes no devices and stops those it has",
  Orphaned: "no member of its pool names it any more: it keeps its devices, takes none, and goes when empty",
  NodeDeleted: "its node was deleted: its devices are assigned anew, then it goes",
};
