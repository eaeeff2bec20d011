import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { conditionOf } from "../src/plan/set-conditions.ts";
import { startApiServer, type ApiServer } from "./api-server.ts";
import { say } from "./cluster.ts";
import { eventually } from "./eventually.ts";
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

describe("deletion", () => {
  it("Retain: the device goes at once and its session is released", async () => {
    await stage.shop.applyPool();
    await stage.shop.applyDevice("ann");
    const uid = await stage.connected("ann");
    await stage.shop.deleteDevice("ann");
    await eventually(async () => {
      expect(await stage.shop.hasDevice("ann")).toBe(false);
      expect(stage.board.wishes.get(uid)?.assignments).toEqual([]);
    });
  });

  it("Logout: waits for the session's word, then lets go", async () => {
    await stage.shop.applyPool();
    await stage.shop.applyDevice("ann", { deletionPolicy: "Logout" });
    const uid = await stage.connected("ann");
    expect((await stage.shop.device("ann")).metadata.finalizers).toEqual(["whatsapp-operator.io/logout"]);
    await stage.shop.deleteDevice("ann");
    await eventually(() => {
      expect(stage.board.wishes.get(uid)?.assignments[0]?.desired).toBe("LoggedOut");
    });
    await stage.untilPhase("ann", "Terminating");
    stage.board.report(uid, say(await stage.shop.device("ann"), "LogoutDone"));
    await eventually(async () => {
      expect(await stage.shop.hasDevice("ann")).toBe(false);
    });
  });

  it("Logout in a namespace that goes: lets go at once", async () => {
    await stage.shop.applyPool();
    await stage.shop.applyDevice("ann", { deletionPolicy: "Logout" });
    await stage.connected("ann");
    await stage.shop.call("DELETE", `/api/v1/namespaces/${stage.shop.namespace}`);
    await stage.shop.deleteDevice("ann");
    await eventually(async () => {
      expect(await stage.shop.hasDevice("ann")).toBe(false);
    });
  });

  it("a pool in use stays until its last device has gone, then goes with its endpoints", async () => {
    await stage.shop.applyPool();
    await stage.shop.applyDevice("ann");
    await stage.linked("ann");
    const pools = `/apis/whatsapp-operator.io/v1alpha1/namespaces/${stage.shop.namespace}/egresspools`;
    await stage.shop.call("DELETE", `${pools}/eu`);
    await eventually(async () => {
      expect(conditionOf((await stage.shop.pool()).status, "Ready")?.reason).toBe("InUse");
    });
    await stage.shop.deleteDevice("ann");
    await eventually(async () => {
      await expect(stage.shop.pool()).rejects.toThrow("does not exist");
    });
  });
});

it("hibernates without a code, stays so, and opens a new window on the annotation", async () => {
  await stage.shop.applyPool();
  await stage.shop.applyDevice("ann");
  const uid = await stage.linked("ann");
  const lastDisconnect = { time: "2026-06-01T11:59:00Z", cause: "QrExpired" as const, message: "" };
  stage.board.report(uid, say(await stage.shop.device("ann"), "Hibernated", { lastDisconnect }));
  await stage.untilPhase("ann", "Hibernated");
  await eventually(() => {
    expect(stage.board.wishes.get(uid)?.assignments).toEqual([]);
  });
  await stage.shop.patchDevice("ann", {
    metadata: { annotations: { "whatsapp-operator.io/pair-requested-at": "now" } },
  });
  await eventually(() => {
    expect(stage.board.wishes.get(uid)?.assignments).toMatchObject([{ epoch: 2, pairRequestedAt: "now" }]);
  });
  expect((await stage.shop.device("ann")).status).toMatchObject({ phase: "Scheduled", pairRequestedAt: "now" });
});

it("suspends and resumes with a higher epoch", async () => {
  await stage.shop.applyPool();
  await stage.shop.applyDevice("ann");
  const uid = await stage.connected("ann");
  await stage.shop.applyDevice("ann", { suspend: true });
  await eventually(() => {
    expect(stage.board.wishes.get(uid)?.assignments).toEqual([]);
  });
  stage.board.report(uid, say(await stage.shop.device("ann"), "Released", { paired: true }));
  await eventually(async () => {
    expect((await stage.shop.device("ann")).status).toMatchObject({
      phase: "Suspended",
      assignment: { endpoint: "eu-px", pod: "", epoch: 1 },
    });
  });
  await stage.shop.applyDevice("ann");
  await eventually(() => {
    expect(stage.board.wishes.get(uid)?.assignments).toMatchObject([{ epoch: 2 }]);
  });
});
