import { perform, type Outcome } from "../act/perform.ts";
import { ApiError, isConflict, isNotFound } from "../kube/api-error.ts";
import { objectOf, type Action, type Target } from "../plan/action.ts";
import { refusalKey, sayRefusal, type ActedOn, type Refusal } from "../plan/refusals.ts";
import type { Answer } from "../world/refusals.ts";
import type { Context } from "./context.ts";

/** How soon what the API server refuses is tried again. */
export const refusedRecheckMs = 15_000;

/**
 * One act. What the API server refuses for good, or again and again, is remembered for the plans and an outcome; anything else is thrown,
 * and tried again after a backoff that begins with milliseconds.
 * @param subject whose visit this is, and who is told by an Event; a pod's refusal is told by the plans.
 */
export async function act(action: Action, subject: Target, context: Context): Promise<Outcome> {
  const object = objectOf(action);
  try {
    const outcome = await perform(action, context.actor);
    if (action.kind !== "Note") note(object, undefined, context);
    return outcome;
  } catch (error) {
    const answer = answerOf(action, error);
    if (answer === undefined) throw error;
    const isNews = note(object, answer, context);
    const refusal = standing(object, context);
    if (refusal === undefined) throw error;
    context.logger.warn({ kind: object.kind, object: `${object.namespace}/${object.name}`, err: error }, "Act refused");
    if (isNews && action.kind !== "CreatePod") tell(subject, object, refusal, context);
    return { kind: "Refused", isNews };
  }
}

/** All acts of a plan but its Events, in their order. True: one is refused, so that a plan made now says more. */
export async function actAll(actions: readonly Action[], subject: Target, context: Context): Promise<boolean> {
  let isRefused = false;
  for (const action of actions)
    if (action.kind !== "Note") isRefused = (await act(action, subject, context)).kind === "Refused" || isRefused;
  return isRefused;
}

/** After the write: an Event about a status that was refused would be told twice. */
export async function tellAll(actions: readonly Action[], { actor }: Context): Promise<void> {
  for (const action of actions) if (action.kind === "Note") await perform(action, actor);
}

/** A status that the API server does not take stands nowhere but in an Event. True: it is refused, and tried again later. */
export async function whileWriting(subject: Target, write: () => Promise<void>, context: Context): Promise<boolean> {
  const object: ActedOn = { ...subject, name: `${subject.name}/status` };
  try {
    await write();
    note(object, undefined, context);
    return false;
  } catch (error) {
    if (!(error instanceof ApiError) || isConflict(error) || isNotFound(error)) throw error;
    const answer: Answer = { verb: "write the status of", message: error.message, isFinal: isFinal(error) };
    const isNews = note(object, answer, context);
    const refusal = standing(object, context);
    if (refusal === undefined) throw error;
    context.logger.warn({ kind: subject.kind, object: refusalKey(subject), err: error }, "Status refused");
    if (isNews) tell(subject, subject, refusal, context);
    return true;
  }
}

function note(object: ActedOn, answer: Answer | undefined, { view, clock }: Context): boolean {
  const isNews = view.memory.answered(refusalKey(object), answer, clock().monotonicMs);
  if (isNews) view.touch();
  return isNews;
}

const standing = (object: ActedOn, { view }: Context): Refusal | undefined =>
  view.memory.refusals.get(refusalKey(object));

function tell(subject: Target, object: ActedOn, refusal: Refusal, { actor }: Context): void {
  const { kind, namespace, name, uid, resourceVersion } = subject;
  const target = { kind, namespace, name, uid, resourceVersion };
  const message = sayRefusal(object, refusal);
  void perform({ kind: "Note", target, note: { type: "Warning", reason: "WriteRefused", message } }, actor);
}

/** Undefined: no answer to the act itself. A conflict with what the mirror knew is one only where something is created. */
function answerOf(action: Action, error: unknown): Answer | undefined {
  if (!(error instanceof ApiError)) return undefined;
  const verb = verbs[action.kind];
  return isConflict(error) && verb !== "create" ? undefined : { verb, message: error.message, isFinal: isFinal(error) };
}

/** Quota, admission and Pod Security answer 403; what the API server finds invalid 422. */
const isFinal = ({ status }: ApiError): boolean => status === 403 || status === 422 || status === 400;

const verbs: Readonly<Record<Action["kind"], Refusal["verb"]>> = {
  SetFinalizers: "change",
  CreateEndpoint: "create",
  SetEndpointLabels: "change",
  DeleteEndpoint: "delete",
  CreatePod: "create",
  DeletePod: "delete",
  DeleteStray: "delete",
  ExpectPodGone: "read",
  Note: "change",
};
