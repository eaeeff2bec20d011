import { describe, expect, it } from "vitest";
import {
  aDevice,
  anEndpoint,
  aPool,
  aRecord,
  assignment,
  aWorld,
  nodeMember,
  now,
  proxyMember,
} from "../../test/builders.ts";
import { reasonsOf, running } from "../../test/planned-device.ts";
import { planDevice } from "./device.ts";
import { planPool } from "./pool.ts";
import { podTrouble } from "./pod-situation.ts";
import type { Refusal } from "./refusals.ts";
import { conditionOf } from "./set-conditions.ts";

const memory = (key: string, message = "webhook down", verb: Refusal["verb"] = "create") => ({
  refusals: new Map([[key, { verb, message }]]),
});

describe("an endpoint that the API server does not let be made", () => {
  const refused = memory("EgressEndpoint shop/eu-px");
  const message = expect.stringContaining("create EgressEndpoint shop/eu-px: webhook down");

  it("is the pool's reason and the waiting device's", () => {
    const device = aDevice();
    const world = aWorld({ devices: [device], endpoints: [], memory: refused });
    const pool = aPool({ metadata: { finalizers: ["whatsapp-operator.io/pool-in-use"] } });
    const { status } = planPool(pool, world, now);
    expect(conditionOf(status ?? { conditions: [] }, "Ready")).toMatchObject({
      reason: "EndpointCreateRefused",
      message,
    });
    expect(reasonsOf(device, world)).toMatchObject({ scheduled: "False/EndpointCreateRefused" });
  });

  it("is named beside those that are ready", () => {
    const pool = aPool({ spec: { members: [proxyMember(), proxyMember("py")] } });
    const ready = {
      type: "Ready",
      status: "True",
      reason: "Idle",
      message: "",
      lastTransitionTime: "",
      observedGeneration: 1,
    };
    const endpoints = [anEndpoint({ status: { conditions: [ready] } })];
    const world = aWorld({ pools: [pool], endpoints, memory: memory("EgressEndpoint shop/eu-py") });
    const { status } = planPool(pool, world, now);
    expect(conditionOf(status ?? { conditions: [] }, "Ready")).toMatchObject({
      status: "True",
      message: expect.stringMatching(/^1 of 2 .*; .*eu-py: webhook down$/),
    });
  });

  it("is of the past once the endpoint is there", () => {
    const { status } = planPool(aPool(), aWorld({ memory: refused }), now);
    expect(conditionOf(status ?? { conditions: [] }, "Ready")?.reason).not.toBe("EndpointCreateRefused");
  });
});

describe("a finalizer that the API server does not let be set", () => {
  const refused = memory("WhatsAppDevice shop/ann", "policy", "change");

  it("keeps a device with a promise to log out from its first start", () => {
    const device = aDevice({ spec: { deletionPolicy: "Logout" } });
    const plan = planDevice(device, aWorld({ devices: [device], memory: refused }), now);
    expect(plan.actions.map(({ kind }) => kind)).toContain("SetFinalizers");
    expect(plan.status?.assignment?.endpoint ?? "").toBe("");
    expect(conditionOf(plan.status ?? { conditions: [] }, "Ready")?.reason).toBe("WriteRefused");
  });

  it("stops no device that runs, and stands in its status without being written again at each look", () => {
    const device = running({ spec: { deletionPolicy: "Logout" } });
    const world = aWorld({ devices: [device], memory: refused });
    const first = planDevice(device, world, now).status;
    expect(first?.assignment?.endpoint).toBe("eu-px");
    expect(conditionOf(first ?? { conditions: [] }, "Stalled")).toMatchObject({
      status: "True",
      reason: "WriteRefused",
    });
    const later = { ...now, date: new Date(now.date.getTime() + 60_000) };
    expect(planDevice({ ...device, status: first ?? device.status }, world, later).status).toEqual(first);
  });

  it("and that cannot be removed says why the deleted device is still there", () => {
    const metadata = { deletionTimestamp: "2026-06-01T11:59:00Z", finalizers: ["whatsapp-operator.io/logout"] };
    const device = aDevice({ metadata });
    const { status } = planDevice(device, aWorld({ devices: [device], memory: refused }), now);
    expect(conditionOf(status ?? { conditions: [] }, "Ready")).toMatchObject({ reason: "WriteRefused" });
  });

  it("of a pool stalls it", () => {
    const pool = aPool();
    const world = aWorld({
      pools: [pool],
      devices: [aDevice()],
      memory: memory("EgressPool shop/eu", "policy", "change"),
    });
    const plan = planPool(pool, world, now);
    expect(plan.actions.map(({ kind }) => kind)).toContain("SetFinalizers");
    expect(conditionOf(plan.status ?? { conditions: [] }, "Stalled")).toMatchObject({
      status: "True",
      reason: "WriteRefused",
    });
  });
});

describe("a pod's refusal is blamed on the field of the pool that it comes from", () => {
  const toleration = { key: "a", operator: "Exists" };
  const member = nodeMember("px", { nodePool: { nodeSelector: { a: "b" }, tolerations: [toleration, toleration] } });
  const template = { tolerations: [toleration], labels: {}, annotations: {} };
  const pool = aPool({ spec: { members: [member], sessionPods: { template } } });
  const record = aRecord({ uid: undefined });
  const messageOf = (refusal: string) =>
    podTrouble(record, anEndpoint(), aWorld({ pools: [pool], memory: memory("Pod shop/eu-px-0", refusal) }))?.message;
  const invalid = (field: string) => `Pod "eu-px-0" is invalid: ${field}: Invalid value: "x"`;

  it.each([
    [invalid("spec.tolerations[1].effect"), 'spec.members[name="px"].nodePool.tolerations[1]'],
    [invalid("spec.tolerations[2].effect"), "spec.sessionPods.template.tolerations[0]"],
    [invalid("spec.containers[0].resources.requests"), "spec.sessionPods.template.resources"],
    [invalid("metadata.annotations"), "spec.sessionPods.template.annotations"],
    [invalid("metadata.labels"), "spec.sessionPods.template.labels"],
    [invalid("spec.volumes[3].secret.secretName"), 'spec.members[name="px"].proxy.credentialsSecretRef.name'],
    ['pods "eu-px-0" is forbidden: no PriorityClass with name vip was found', "template.priorityClassName"],
  ])("%s", (refusal, field) => {
    expect(messageOf(refusal)).toContain(`made from EgressPool "eu" `);
    expect(messageOf(refusal)).toContain(`${field}: `);
  });

  it("and on none where the API server blames none", () => {
    const said = messageOf('Internal error occurred: failed calling webhook "injector"');
    expect(said).toBe(
      'the API server refuses session pod shop/eu-px-0: Internal error occurred: failed calling webhook "injector"',
    );
  });

  it.each(["exceeded quota: pods", "failed quota: cpu: must specify limits.cpu for: session"])(
    "a quota: %s",
    (refusal) => {
      const world = aWorld({ memory: memory("Pod shop/eu-px-0", refusal) });
      expect(podTrouble(record, anEndpoint(), world)?.reason).toBe("QuotaExceeded");
    },
  );
});

it("a pod that the API server does not let go is its device's reason", () => {
  const device = running({ status: { assignment: assignment({ podUID: "" }) } });
  const world = aWorld({ devices: [device], memory: memory("Pod shop/eu-px-0", "webhook down", "delete") });
  expect(reasonsOf(device, world)).toMatchObject({ ready: "False/WriteRefused" });
});
