import { objectOf, type Action } from "../plan/action.ts";

/** A logger, as far as acts need one. */
export interface ActLog {
  info(fields: object, message: string): void;
}

/** What the log says before each act: fixed words, values stand in the fields. */
const words: Readonly<Record<Action["kind"], string>> = {
  SetFinalizers: "Setting finalizers",
  CreateEndpoint: "Creating endpoint",
  SetEndpointLabels: "Setting endpoint labels",
  DeleteEndpoint: "Deleting endpoint",
  CreatePod: "Creating session pod",
  DeletePod: "Deleting session pod",
  DeleteStray: "Deleting stray session pod",
  ExpectPodGone: "Checking that session pod is gone",
  Note: "Recording event",
};

/** One line before each act. No label, annotation, environment or nonce is among its fields. */
export function announce(action: Action, logger: ActLog): void {
  const { kind, namespace, name } = objectOf(action);
  logger.info({ kind, object: `${namespace}/${name}`, ...why(action) }, words[action.kind]);
}

function why(action: Action): Readonly<Record<string, unknown>> {
  switch (action.kind) {
    case "SetFinalizers":
      return { finalizers: action.finalizers };
    case "CreateEndpoint":
      return { reason: "PoolNamesIt", pool: action.spec.pool, member: action.spec.member };
    case "SetEndpointLabels":
      return { reason: "MemberLabels" };
    case "DeleteEndpoint":
      return { reason: "LeftOver", uid: action.target.uid };
    case "CreatePod":
      return { reason: "DeviceAssigned", endpoint: action.endpoint.name };
    case "DeletePod":
      return { reason: action.why, uid: action.uid };
    case "DeleteStray":
      return { reason: "NoRecord", uid: action.pod.uid, endpoint: action.endpoint.name };
    case "ExpectPodGone":
      return { reason: "RecordChanges" };
    case "Note":
      return { type: action.note.type, reason: action.note.reason, message: action.note.message };
    default:
      return action satisfies never;
  }
}
