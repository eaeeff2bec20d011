import { finalizers, type SessionStateName, type WhatsAppDevice } from "@wa/schema";
import { describe, expect, it } from "vitest";
import { aDevice, aLinkedWorld, aReport, assignment, aWorld, later, now } from "../../test/builders.ts";
import { running } from "../../test/planned-device.ts";
import { planDevice } from "./device.ts";
import type { Now, World } from "./world.ts";

describe("deletion", () => {
  const logout = { egress: { pool: "eu" }, deletionPolicy: "Logout" };
  const deleted = (over: { spec?: object; metadata?: object; status?: object } = {}) =>
    running({
      spec: logout,
      ...over,
      metadata: { deletionTimestamp: "2026-06-01T11:59:30Z", finalizers: [finalizers.logout], ...over.metadata },
    });
  const kinds = (device: WhatsAppDevice, world: World, at = now) => {
    const { actions } = planDevice(device, world, at);
    return actions.map((action) => (action.kind === "Note" ? action.note.reason : action.kind));
  };

  it("a Logout device carries the finalizer before it is assigned", () => {
    const device = aDevice({ spec: logout });
    const plan = planDevice(device, aWorld({ devices: [device] }), now);
    expect(plan).toMatchObject({
      actions: [{ kind: "SetFinalizers", finalizers: [finalizers.logout] }],
      status: undefined,
    });
  });

  it("a Retain device gives it back, and foreign ones stay", () => {
    const device = aDevice({ metadata: { finalizers: ["example.org/x", finalizers.logout] } });
    expect(planDevice(device, aWorld({ devices: [device] }), now).actions).toMatchObject([
      { kind: "SetFinalizers", finalizers: ["example.org/x"] },
    ]);
  });

  it("waits for the logout, within ten minutes", () => {
    const device = deleted();
    const plan = planDevice(device, aLinkedWorld(device, aReport(device, "Connected", { paired: true })), now);
    expect(plan.actions).toEqual([]);
    expect(plan.status?.phase).toBe("Terminating");
    expect(plan.recheckAfterMs).toBe(570_000);
  });

  it("a device without a pod gets one for its logout", () => {
    const device = deleted({ status: { assignment: assignment({ pod: "", podUID: "", epoch: 3 }) } });
    expect(planDevice(device, aWorld({ devices: [device] }), now).status?.assignment).toMatchObject({ pod: "eu-px-0" });
  });

  it.each<[string, WhatsAppDevice, SessionStateName, Parameters<typeof aWorld>[0] & object, Now, string]>([
    ["the logout is done", deleted(), "LogoutDone" as SessionStateName, {}, now, "LogoutDone"],
    ["ten minutes have passed", deleted(), "Connected" as SessionStateName, {}, later(600_000), "LogoutTimedOut"],
    [
      "a person forces it",
      deleted({
        metadata: {
          deletionTimestamp: "2026-06-01T11:59:30Z",
          finalizers: [finalizers.logout],
          annotations: { "whatsapp-operator.io/force-delete": "true" },
        },
      }),
      "Connected" as SessionStateName,
      {},
      now,
      "LogoutSkipped",
    ],
    [
      "its namespace goes too",
      deleted(),
      "Connected" as SessionStateName,
      { terminating: { namespaces: new Set(["shop"]), crds: new Set<string>() } },
      now,
      "LogoutSkipped",
    ],
    [
      "the CRD goes too",
      deleted(),
      "Connected" as SessionStateName,
      { terminating: { namespaces: new Set<string>(), crds: new Set(["whatsappdevices"]) } },
      now,
      "LogoutSkipped",
    ],
    [
      "the policy is Retain now",
      deleted({ spec: { egress: { pool: "eu" } } }),
      "Connected" as SessionStateName,
      {},
      now,
      "LogoutSkipped",
    ],
  ])("lets go when %s", (_case, device, state, ...rest) => {
    const [over, at, reason] = rest;
    const world = aLinkedWorld(device, aReport(device, state, { paired: true }), over);
    expect(kinds(device, world, at)).toEqual([reason, "SetFinalizers"]);
  });

  it("lets go at once of a device that could never start", () => {
    const device = deleted({ status: { assignment: undefined, phase: "Pending" } });
    expect(kinds(device, aWorld({ pools: [], endpoints: [], devices: [device] }))).toEqual([
      "LogoutSkipped",
      "SetFinalizers",
    ]);
  });
});
