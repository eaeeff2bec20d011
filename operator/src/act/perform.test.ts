import { describe, expect, it } from "vitest";
import { anEndpoint, aPod, aPool, aRecord, settings } from "../../test/builders.ts";
import { buildSessionPod } from "../build/session-pod.ts";
import { targetOf, type Action } from "../plan/action.ts";
import { deviceKind, endpointKind, podKind, poolKind } from "../world/kinds.ts";
import { resource } from "../kube/resource.ts";
import { perform, type Actor } from "./perform.ts";

const target = targetOf("EgressEndpoint", anEndpoint().metadata);
const nonce = "nonce-that-nobody-reads";
const record = aRecord({ nonce, uid: undefined });
const endpoint = anEndpoint({ status: { pods: [record] } });
const template = { ...aPool().spec.sessionPods.template, annotations: { token: "annotation-of-a-user" } };
const pod = buildSessionPod({ endpoint, member: undefined, template, settings, name: record.name, nonce });

/** One of each kind; the compiler asks for a missing one. */
const acts: { readonly [Kind in Action["kind"]]: readonly [Extract<Action, { kind: Kind }>, string, object] } = {
  SetFinalizers: [
    { kind: "SetFinalizers", target, finalizers: ["a/b"] },
    "Setting finalizers",
    { kind: "EgressEndpoint", object: "shop/eu-px", finalizers: ["a/b"] },
  ],
  CreateEndpoint: [
    { kind: "CreateEndpoint", namespace: "shop", name: "eu-px", labels: {}, spec: endpoint.spec },
    "Creating endpoint",
    { kind: "EgressEndpoint", object: "shop/eu-px", reason: "PoolNamesIt", pool: "eu", member: "px" },
  ],
  SetEndpointLabels: [
    { kind: "SetEndpointLabels", target, labels: { a: "b" } },
    "Setting endpoint labels",
    { kind: "EgressEndpoint", object: "shop/eu-px", reason: "MemberLabels" },
  ],
  DeleteEndpoint: [
    { kind: "DeleteEndpoint", target },
    "Deleting endpoint",
    { kind: "EgressEndpoint", object: "shop/eu-px", reason: "LeftOver", uid: "uid-eu-px" },
  ],
  CreatePod: [
    { kind: "CreatePod", pod, endpoint: target, record },
    "Creating session pod",
    { kind: "Pod", object: "shop/eu-px-0", reason: "DeviceAssigned", endpoint: "eu-px" },
  ],
  DeletePod: [
    { kind: "DeletePod", namespace: "shop", name: "eu-px-0", uid: "u", why: "Ended" },
    "Deleting session pod",
    { kind: "Pod", object: "shop/eu-px-0", reason: "Ended", uid: "u" },
  ],
  DeleteStray: [
    { kind: "DeleteStray", pod: aPod({ uid: "stray" }), endpoint: target },
    "Deleting stray session pod",
    { kind: "Pod", object: "shop/eu-px-0", reason: "NoRecord", uid: "stray", endpoint: "eu-px" },
  ],
  ExpectPodGone: [
    { kind: "ExpectPodGone", namespace: "shop", record },
    "Checking that session pod is gone",
    { kind: "Pod", object: "shop/eu-px-0", reason: "RecordChanges" },
  ],
  Note: [
    { kind: "Note", target, note: { type: "Warning", reason: "NotLinked", message: "why" } },
    "Recording event",
    { kind: "EgressEndpoint", object: "shop/eu-px", type: "Warning", reason: "NotLinked", message: "why" },
  ],
};

/** An API server that refuses everything: what is told is told before. */
function muteActor(lines: string[]): Actor {
  const refuse = async (): Promise<never> => await Promise.reject(new Error("no API server here"));
  const transport = {
    namespace: "",
    call: refuse,
    watch: () => neverEnding(),
    serverNowMs: () => 0,
    serverSteppedAtMs: () => undefined,
    close: refuse,
  };
  return {
    devices: resource(transport, deviceKind),
    pools: resource(transport, poolKind),
    endpoints: resource(transport, endpointKind),
    pods: resource(transport, podKind),
    events: { record: () => undefined },
    logger: { info: (fields, msg) => void lines.push(JSON.stringify({ msg, ...fields })) },
  };
}

async function* neverEnding(): AsyncGenerator<unknown> {
  yield await new Promise(() => undefined);
}

describe("the log", () => {
  it.each(Object.values(acts).map(([action, words, fields]) => [words, action, fields] as const))(
    "says before the act: %s",
    async (words, action, fields) => {
      const lines: string[] = [];
      await perform(action, muteActor(lines)).catch(() => undefined);
      expect(lines.map((line): unknown => JSON.parse(line))).toEqual([{ msg: words, ...fields }]);
      expect(lines.join("")).not.toContain(nonce);
      expect(lines.join("")).not.toContain("annotation-of-a-user");
    },
  );
});
