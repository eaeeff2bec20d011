import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { conditionOf } from "../src/plan/set-conditions.ts";
import { startApiServer, type ApiServer } from "./api-server.ts";
import { eventually } from "./eventually.ts";
import { Stage } from "./stage.ts";

/** What the API server refuses the operator, by admission webhooks that are down and by policies, is told where people look. */
let server: ApiServer;
let stage: Stage;
let hooks: string[];

beforeAll(async () => {
  server = await startApiServer();
  await server.applyCrds();
});
afterAll(async () => {
  await server.stop();
});
beforeEach(async () => {
  stage = await Stage.set(server);
  hooks = [];
});
afterEach(async () => {
  await mend();
  await stage[Symbol.asyncDispose]();
});

const registrations = "/apis/admissionregistration.k8s.io/v1";

/** A webhook of somebody else that fails closed, and that nobody answers: the API server says 500 InternalError. */
async function breakWebhook(operation: string, group: string, resource: string): Promise<void> {
  const name = `injector-${randomUUID().slice(0, 8)}`;
  const path = `${registrations}/mutatingwebhookconfigurations`;
  hooks.push(`${path}/${name}`);
  await stage.shop.call("POST", path, {
    metadata: { name },
    webhooks: [
      {
        name: "injector.example.org",
        admissionReviewVersions: ["v1"],
        sideEffects: "None",
        failurePolicy: "Fail",
        timeoutSeconds: 2,
        clientConfig: { url: "https://127.0.0.1:9/inject" },
        namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": stage.shop.namespace } },
        rules: [{ apiGroups: [group], apiVersions: ["*"], operations: [operation], resources: [resource] }],
      },
    ],
  });
  // The API server reads its registrations from a watch.
  await delay(1_500);
}

async function mend(): Promise<void> {
  for (const path of hooks.splice(0)) await stage.shop.call("DELETE", path);
}

async function warnings(): Promise<readonly string[]> {
  const path = `/apis/events.k8s.io/v1/namespaces/${stage.shop.namespace}/events`;
  const { items } = z
    .object({
      items: z.array(z.object({ type: z.string(), reason: z.string(), regarding: z.object({ kind: z.string() }) })),
    })
    .parse(await stage.shop.call("GET", path));
  return items.filter(({ type }) => type === "Warning").map(({ reason, regarding }) => `${regarding.kind} ${reason}`);
}

const ready = (object: { readonly status: Parameters<typeof conditionOf>[0] }) => conditionOf(object.status, "Ready");
const webhook = expect.stringContaining('failed calling webhook "injector.example.org"');
const ours = "whatsapp-operator.io";

describe("a webhook that is down", () => {
  it("keeps a session pod from being made: device, endpoint and pool say so, each by an Event, until it is back", async () => {
    await breakWebhook("CREATE", "", "pods");
    await stage.shop.applyPool();
    await stage.shop.applyDevice("ann");
    await eventually(async () => {
      expect(ready(await stage.shop.device("ann"))).toMatchObject({ reason: "PodCreateRefused", message: webhook });
      expect(ready(await stage.shop.endpoint())).toMatchObject({ reason: "PodCreateRefused", message: webhook });
      expect(ready(await stage.shop.pool())).toMatchObject({ reason: "NoEndpointReady", message: webhook });
      expect(await warnings()).toEqual(
        expect.arrayContaining(["WhatsAppDevice PodCreateRefused", "EgressEndpoint PodCreateRefused"]),
      );
    }, 30_000);
    expect(ready(await stage.shop.device("ann"))?.message).not.toContain("spec.sessionPods.template");
    expect(stage.log.join("")).toContain('"msg":"Act refused"');
    await mend();
    await stage.linked("ann");
  });

  it("keeps an endpoint from being made: pool and device say so", async () => {
    await breakWebhook("CREATE", ours, "egressendpoints");
    await stage.shop.applyPool();
    await stage.shop.applyDevice("ann");
    await eventually(async () => {
      expect(ready(await stage.shop.pool())).toMatchObject({ reason: "EndpointCreateRefused", message: webhook });
      expect(ready(await stage.shop.device("ann"))).toMatchObject({
        reason: "EndpointCreateRefused",
        message: webhook,
      });
      expect(await warnings()).toEqual(
        expect.arrayContaining(["EgressPool WriteRefused", "WhatsAppDevice EndpointCreateRefused"]),
      );
    }, 30_000);
    await mend();
    await stage.linked("ann");
  });

  it("keeps a promise to log out from being given: the device does not start, and says so", async () => {
    await stage.shop.applyPool();
    await breakWebhook("UPDATE", ours, "whatsappdevices");
    await stage.shop.call("POST", `/apis/${ours}/v1alpha1/namespaces/${stage.shop.namespace}/whatsappdevices`, {
      apiVersion: `${ours}/v1alpha1`,
      kind: "WhatsAppDevice",
      metadata: { name: "ann" },
      spec: { egress: { pool: "eu" }, deletionPolicy: "Logout" },
    });
    await eventually(async () => {
      const { status } = await stage.shop.device("ann");
      expect(ready({ status })).toMatchObject({ reason: "WriteRefused", message: webhook });
      expect(conditionOf(status, "Stalled")).toMatchObject({ status: "True", reason: "WriteRefused" });
      expect(await warnings()).toContain("WhatsAppDevice WriteRefused");
    }, 30_000);
    expect((await stage.shop.device("ann")).status.assignment?.endpoint ?? "").toBe("");
    await mend();
    await stage.linked("ann");
  });

  it("keeps a status from being written: an Event says so, for nothing else can", async () => {
    await breakWebhook("UPDATE", ours, "whatsappdevices/status");
    await stage.shop.applyPool();
    await stage.shop.applyDevice("ann");
    await eventually(async () => {
      expect(await warnings()).toContain("WhatsAppDevice WriteRefused");
    }, 30_000);
    await mend();
    await stage.linked("ann");
  });

  it("keeps an ended pod from being deleted: its device says so", async () => {
    await stage.shop.applyPool();
    await stage.shop.applyDevice("ann");
    stage.board.unlink(await stage.linked("ann"));
    await breakWebhook("DELETE", "", "pods");
    await stage.shop.markPod("eu-px-0", "Failed");
    await eventually(async () => {
      expect(ready(await stage.shop.device("ann"))).toMatchObject({ reason: "WriteRefused", message: webhook });
      expect(await warnings()).toContain("EgressEndpoint WriteRefused");
    }, 60_000);
  });
});

it("is written down once, in whole characters, and then there is silence in log and API", async () => {
  const name = `emoji-${randomUUID().slice(0, 8)}`;
  const policies = `${registrations}/validatingadmissionpolicies`;
  const bindings = `${registrations}/validatingadmissionpolicybindings`;
  hooks.push(`${bindings}/${name}`, `${policies}/${name}`);
  await stage.shop.call("POST", policies, {
    metadata: { name },
    spec: {
      failurePolicy: "Fail",
      matchConstraints: {
        resourceRules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["pods"] }],
      },
      validations: [{ expression: "false", message: `no ${"😀".repeat(900)}` }],
    },
  });
  await stage.shop.call("POST", bindings, {
    metadata: { name },
    spec: {
      policyName: name,
      validationActions: ["Deny"],
      matchResources: {
        namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": stage.shop.namespace } },
      },
    },
  });
  await delay(1_500);
  await stage.shop.applyPool();
  await stage.shop.applyDevice("ann");
  await eventually(async () => {
    expect(ready(await stage.shop.endpoint())?.message).toMatch(/😀$/u);
    expect(ready(await stage.shop.pool())?.message).toMatch(/😀$/u);
    expect(ready(await stage.shop.device("ann"))?.message).toMatch(/😀$/u);
  }, 30_000);
  await delay(2_000);
  const before = await stage.shop.versions();
  await delay(20_000);
  expect(await stage.shop.versions()).toEqual(before);
});

it("at rest the log is silent", async () => {
  await stage.shop.applyPool();
  await stage.shop.applyDevice("ann");
  await stage.connected("ann");
  expect(stage.log.join("")).toContain('"msg":"Creating session pod"');
  await delay(2_000);
  const before = stage.log.length;
  await delay(5_000);
  expect(stage.log.slice(before)).toEqual([]);
});
