import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { buildSessionPod } from "../src/build/session-pod.ts";
import { conditionOf } from "../src/plan/set-conditions.ts";
import { startApiServer, type ApiServer } from "./api-server.ts";
import { proxyMember, settings } from "./builders.ts";
import { say } from "./cluster.ts";
import { eventually } from "./eventually.ts";
import { LinkBoard } from "./link-board.ts";
import { Stage } from "./stage.ts";

let server: ApiServer;
let stage: Stage;

beforeAll(async () => {
  server = await startApiServer();
  await server.applyCrds();
});
afterAll(async () => {
  await server.stop();
});
beforeEach(async () => {
  stage = await Stage.set(server);
});
afterEach(async () => {
  await stage[Symbol.asyncDispose]();
});

it("a pool and a device become an endpoint, an assignment, a pod and a QR", async () => {
  await stage.shop.applyPool();
  await stage.shop.applyDevice("ann");
  const uid = await stage.linked("ann", ["198.51.100.7"]);
  const [pod, ...others] = await stage.shop.pods();
  expect(others).toEqual([]);
  expect(pod).toMatchObject({ name: "eu-px-0", uid });
  expect(pod?.nonce).not.toBe("");
  const device = await stage.shop.device("ann");
  expect(device.status.assignment).toMatchObject({ endpoint: "eu-px", pod: "eu-px-0", podUID: uid, epoch: 1 });
  expect(stage.board.wishes.get(uid)?.assignments[0]?.dataKeys[0]?.keyBase64).toHaveLength(44);
  const qr = { code: "2@abc", attempt: 1, expiresAt: "2026-06-01T12:01:00Z" };
  stage.board.report(uid, say(device, "AwaitingPairing", { qr }));
  await eventually(async () => {
    expect((await stage.shop.device("ann")).status.qr).toEqual(qr);
  });
  stage.board.report(uid, say(device, "Connected", { paired: true }));
  await stage.untilPhase("ann", "Connected");
  expect((await stage.shop.device("ann")).status.qr).toBeUndefined();
  await eventually(async () => {
    expect((await stage.shop.endpoint()).status.observedIPs).toEqual(["198.51.100.7"]);
    expect((await stage.shop.pool()).status).toMatchObject({
      endpoints: 1,
      readyEndpoints: 1,
      devices: 1,
      connectedDevices: 1,
    });
  });
  const metrics = await stage.metrics();
  expect(metrics).toContain('whatsapp_devices{phase="Connected"} 1');
  expect(metrics).toContain("whatsapp_device_qr_codes_total 1");
});

it("writes nothing once all is as wanted", async () => {
  await stage.shop.applyPool();
  await stage.shop.applyDevice("ann");
  await stage.connected("ann");
  await stage.shop.applyDevice("bob", { suspend: true });
  await stage.untilPhase("bob", "Suspended");
  await delay(1_500);
  const before = await stage.shop.versions();
  await delay(10_000);
  expect(await stage.shop.versions()).toEqual(before);
});

it("a restarted operator keeps pod, epoch and status, and makes no second pod", async () => {
  await stage.shop.applyPool();
  await stage.shop.applyDevice("ann");
  const uid = await stage.connected("ann");
  const before = await stage.shop.device("ann");
  await stage[Symbol.asyncDispose]();
  await stage.operate(new LinkBoard());
  await delay(3_000);
  expect((await stage.shop.pods()).map((pod) => pod.uid)).toEqual([uid]);
  expect((await stage.shop.device("ann")).status).toEqual(before.status);
});

it("two operators that both believe to lead make one pod", async () => {
  await stage.operate(new LinkBoard());
  await stage.shop.applyPool();
  await stage.shop.applyDevice("ann");
  await stage.linked("ann");
  await delay(1_000);
  expect(await stage.shop.pods()).toHaveLength(1);
});

describe("a device that cannot be placed says why", () => {
  it.each([
    ["unknown pool", undefined, "PoolNotFound"],
    ["empty pool", { members: [] }, "PoolEmpty"],
    ["no node", { members: [{ name: "fr", nodePool: { nodeSelector: { nobody: "has" } } }] }, "NoEndpoint"],
    ["no place", { members: [proxyMember("px", { capacity: { maxSessions: 0 } })] }, "CapacityFull"],
  ])("%s", async (_case, pool, reason) => {
    if (pool !== undefined) await stage.shop.applyPool(pool);
    await stage.shop.applyDevice("ann");
    await eventually(async () => {
      expect(await stage.reasonOf("ann", "Scheduled")).toBe(reason);
    });
  });

  it("and is placed when the pool comes, or a place becomes free", async () => {
    await stage.shop.applyDevice("ann");
    await stage.untilPhase("ann", "Pending");
    await stage.shop.applyPool({ members: [proxyMember("px", { capacity: { maxSessions: 1 } })] });
    await stage.linked("ann");
    await stage.shop.applyDevice("bob");
    await eventually(async () => {
      expect(await stage.reasonOf("bob", "Scheduled")).toBe("CapacityFull");
    });
    await stage.shop.deleteDevice("ann");
    await stage.linked("bob");
  });
});

it("twelve devices at once fill one pod of ten and a second of two, and never more than the capacity", async () => {
  await stage.shop.applyPool({ members: [proxyMember("px", { capacity: { maxSessions: 12 } })] });
  await Promise.all(Array.from({ length: 14 }, async (_, index) => await stage.shop.applyDevice(`d${index}`)));
  await eventually(async () => {
    const devices = await Promise.all(
      Array.from({ length: 14 }, async (_, index) => await stage.shop.device(`d${index}`)),
    );
    const pods = devices.map(({ status }) => status.assignment?.pod).filter((pod) => pod !== undefined);
    expect(pods.filter((pod) => pod === "eu-px-0")).toHaveLength(10);
    expect(pods.filter((pod) => pod === "eu-px-1")).toHaveLength(2);
    expect(devices.filter(({ status }) => conditionOf(status, "Scheduled")?.reason === "CapacityFull")).toHaveLength(2);
  }, 30_000);
});

describe("pods", () => {
  const foreignPod = (name: string) => ({
    metadata: { name, namespace: stage.shop.namespace },
    spec: { containers: [{ name: "x", image: "x" }] },
  });

  it("a foreign pod of the name is not adopted, and gives way when it goes", async () => {
    await stage.shop.call("POST", `/api/v1/namespaces/${stage.shop.namespace}/pods`, foreignPod("eu-px-0"));
    await stage.shop.applyPool();
    await stage.shop.applyDevice("ann");
    await eventually(async () => {
      expect(await stage.reasonOf("ann", "Scheduled")).toBe("PodNameTaken");
    });
    expect(await stage.reasonOf("ann", "Stalled")).toBe("PodNameTaken");
    await stage.shop.deletePod("eu-px-0");
    await eventually(async () => {
      expect((await stage.shop.pods())[0]?.nonce).not.toBe("");
      expect(await stage.reasonOf("ann", "Scheduled")).toBe("Assigned");
    }, 25_000);
  });

  it("one of ours that no record knows, left by a call that came late, is deleted, and no other", async () => {
    const { shop } = stage;
    await shop.applyPool();
    await shop.applyDevice("ann");
    const uid = await stage.linked("ann");
    const [endpoint, { spec }] = await Promise.all([shop.endpoint(), shop.pool()]);
    const { template } = spec.sessionPods;
    const late = { endpoint, member: spec.members[0], template, settings, name: "eu-px-1", nonce: "of the past" };
    await shop.call("POST", `/api/v1/namespaces/${shop.namespace}/pods`, buildSessionPod(late));
    await eventually(async () => {
      expect((await shop.pods()).map((pod) => pod.uid)).toEqual([uid]);
    });
  });

  it("a pod over quota is a condition with the API server's words, and is made when there is room", async () => {
    const quotas = `/api/v1/namespaces/${stage.shop.namespace}/resourcequotas`;
    await stage.shop.call("POST", quotas, { metadata: { name: "none" }, spec: { hard: { pods: "0" } } });
    await stage.shop.call("PATCH", `${quotas}/none/status`, { status: { hard: { pods: "0" }, used: { pods: "0" } } });
    await stage.shop.applyPool();
    await stage.shop.applyDevice("ann");
    await eventually(async () => {
      expect(await stage.reasonOf("ann", "Scheduled")).toBe("QuotaExceeded");
    });
    await stage.shop.call("DELETE", `${quotas}/none`);
    await stage.linked("ann");
  });

  it("a failed pod is deleted and made again, and its device gets a higher epoch once it was released", async () => {
    await stage.shop.applyPool();
    await stage.shop.applyDevice("ann");
    const uid = await stage.connected("ann");
    stage.board.report(uid, say(await stage.shop.device("ann"), "Released", { paired: true }));
    stage.board.unlink(uid);
    await stage.shop.markPod("eu-px-0", "Failed");
    await eventually(async () => {
      const [pod] = await stage.shop.pods();
      expect(pod?.uid).not.toBe(uid);
      expect(pod?.phase).toBe("Pending");
      expect((await stage.shop.device("ann")).status.assignment).toMatchObject({ podUID: pod?.uid, epoch: 2 });
    });
    expect((await stage.shop.device("ann")).status.phase).toBe("Reconnecting");
  });

  it("an endpoint that somebody deletes is made again, and its device keeps its place", async () => {
    await stage.shop.applyPool();
    await stage.shop.applyDevice("ann");
    const uid = await stage.connected("ann");
    const before = await stage.shop.endpoint();
    await stage.shop.call(
      "DELETE",
      `/apis/whatsapp-operator.io/v1alpha1/namespaces/${stage.shop.namespace}/egressendpoints/eu-px`,
    );
    // No garbage collector runs here.
    stage.board.report(uid, say(await stage.shop.device("ann"), "Released", { paired: true }));
    stage.board.unlink(uid);
    await stage.shop.deletePod("eu-px-0");
    await eventually(async () => {
      expect((await stage.shop.endpoint()).metadata.uid).not.toBe(before.metadata.uid);
      const { assignment } = (await stage.shop.device("ann")).status;
      expect(assignment).toMatchObject({ endpoint: "eu-px", epoch: 2 });
      expect(assignment?.podUID).not.toBe(uid);
    }, 30_000);
  });

  it("one that is gone loses its link, and its device goes to the next one; one that is terminating keeps it", async () => {
    await stage.shop.applyPool();
    await stage.shop.applyDevice("ann");
    const uid = await stage.connected("ann");
    const path = `/api/v1/namespaces/${stage.shop.namespace}/pods/eu-px-0`;
    const finalizers = ["test/stay"];
    await stage.shop.call("PATCH", path, { metadata: { finalizers } });
    await stage.shop.call("DELETE", path);
    await delay(2_000);
    expect(stage.board.cuts).toEqual([]);
    await stage.shop.call("PATCH", path, { metadata: { finalizers: [] } });
    await eventually(() => {
      expect(stage.board.cuts).toEqual([uid]);
    });
    await eventually(async () => {
      const { assignment } = (await stage.shop.device("ann")).status;
      expect(assignment?.podUID).not.toBe(uid);
      expect(assignment).toMatchObject({ pod: "eu-px-0", epoch: 2 });
    }, 60_000);
  });

  it("one whose label somebody takes away is gone for the mirror alone: it keeps its link", async () => {
    await stage.shop.applyPool();
    await stage.shop.applyDevice("ann");
    await stage.connected("ann");
    const path = `/api/v1/namespaces/${stage.shop.namespace}/pods/eu-px-0`;
    await stage.shop.call("PATCH", path, { metadata: { labels: { "app.kubernetes.io/component": null } } });
    await delay(4_000);
    expect(stage.board.cuts).toEqual([]);
  });
});
