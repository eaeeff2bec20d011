import { pino } from "pino";
import { Registry } from "prom-client";
import { afterAll, beforeAll, expect, it } from "vitest";
import { removeLeaderLabel, takeLeaderLabel } from "../src/controllers/leader-label.ts";
import { wallAndMonotonic } from "../src/controllers/context.ts";
import { uninstall } from "../src/controllers/uninstall.ts";
import { createKubeMetrics } from "../src/kube/metrics.ts";
import { resource } from "../src/kube/resource.ts";
import { podKind } from "../src/world/kinds.ts";
import { startApiServer, type ApiServer } from "./api-server.ts";
import { eventually } from "./eventually.ts";
import { Stage } from "./stage.ts";

let server: ApiServer;
beforeAll(async () => {
  server = await startApiServer();
  await server.applyCrds();
});
afterAll(async () => {
  await server.stop();
});

it("uninstall takes finalizers, session pods and endpoints away, no device claims to be connected, and devices, pools and foreign pods stay", async () => {
  const stage = await Stage.set(server);
  const { shop } = stage;
  await shop.applyPool();
  await shop.applyDevice("ann", { deletionPolicy: "Logout" });
  await stage.connected("ann");
  await shop.call("POST", `/api/v1/namespaces/${shop.namespace}/pods`, {
    metadata: { name: "lookalike", labels: { "app.kubernetes.io/component": "session-pod" } },
    spec: { containers: [{ name: "x", image: "x" }] },
  });
  await shop.applyDevice("resting", { suspend: true });
  await eventually(async () => expect((await shop.device("resting")).status.phase).toBe("Suspended"));
  await stage[Symbol.asyncDispose]();
  const logger = pino({ level: "silent" });
  const kubeMetrics = createKubeMetrics(new Registry());
  const self = { podName: "uninstall-0", podNamespace: shop.namespace, leaseName: "wa" };
  expect(await uninstall({ transport: server.transport, kubeMetrics, logger, self }, wallAndMonotonic())).toBe(
    "Removed",
  );
  expect((await shop.device("ann")).metadata.finalizers).toEqual([]);
  const { status } = await shop.device("ann");
  expect(status.phase, "linked, and nobody runs it").toBe("Reconnecting");
  expect(status.conditions.find(({ type }) => type === "Ready")).toMatchObject({
    status: "False",
    reason: "Uninstalled",
  });
  expect(status.conditions.find(({ type }) => type === "Paired")).toMatchObject({ status: "True" });
  expect((await shop.device("resting")).status.phase, "what status alone remembers stays").toBe("Suspended");
  expect((await shop.pool()).metadata.finalizers).toEqual([]);
  await expect(shop.endpoint()).rejects.toThrow("does not exist");
  const pods = await shop.pods();
  expect(pods.filter(({ isTerminating }) => !isTerminating).map(({ name }) => name)).toEqual(["lookalike"]);
});

it("a new leader's pod is the only one with the leader's label", async () => {
  const namespace = await server.createNamespace("system");
  const pods = resource(server.transport, podKind);
  for (const name of ["op-0", "op-1"])
    await pods.create({
      metadata: { name, namespace, labels: { "app.kubernetes.io/component": "operator" } },
      spec: { containers: [{ name: "x", image: "x" }] },
    });
  const labelled = async () =>
    (await pods.list({ namespace, labelSelector: "whatsapp-operator.io/leader=true" })).map(({ name }) => name);
  await takeLeaderLabel(pods, { namespace, name: "op-0" });
  expect(await labelled()).toEqual(["op-0"]);
  await takeLeaderLabel(pods, { namespace, name: "op-1" });
  expect(await labelled()).toEqual(["op-1"]);
  await removeLeaderLabel(pods, { namespace, name: "op-1" });
  expect(await labelled()).toEqual([]);
});
