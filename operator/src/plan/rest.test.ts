import { describe, expect, it } from "vitest";
import { aDevice, aLinkedWorld, aReport, assignment, aWorld, now, settings } from "../../test/builders.ts";
import { reasonsOf, running } from "../../test/planned-device.ts";
import { planDevice } from "./device.ts";

describe("rest", () => {
  const asleep = (annotation: string | undefined, status: object = {}) =>
    aDevice({
      metadata:
        annotation === undefined ? {} : { annotations: { "whatsapp-operator.io/pair-requested-at": annotation } },
      status: {
        phase: "Hibernated",
        conditions: [
          {
            type: "Paired",
            status: "False",
            reason: "Hibernated",
            message: "",
            lastTransitionTime: "2026-01-01T00:00:00Z",
            observedGeneration: 1,
          },
        ],
        assignment: assignment({ pod: "", podUID: "", epoch: 2 }),
        ...status,
      },
    });

  it("an unscanned device gives up pod and owner, and keeps endpoint and epoch", () => {
    const device = running({ status: { assignment: assignment({ epoch: 2 }) } });
    const { status } = planDevice(device, aLinkedWorld(device, aReport(device, "Hibernated")), now);
    expect(status?.assignment).toMatchObject({ endpoint: "eu-px", pod: "", podUID: "", epoch: 2 });
  });

  it.each([
    ["whole characters", `x${"👍".repeat(40)}`, `x${"👍".repeat(31)}`],
    ["what a terminal obeys", "t1\u001B[2J\n", "t1[2J "],
  ])("asks once, and not for ever, with a request that status cannot hold as it is: %s", (_case, request, kept) => {
    const device = asleep(request, { pairRequestedAt: kept });
    expect(planDevice(device, aWorld({ devices: [device] }), now).status?.phase).toBe("Hibernated");
  });

  it("a request that an earlier version wrote down with its control characters is not asked once more", () => {
    const device = asleep("t1\n", { pairRequestedAt: "t1\n" });
    expect(planDevice(device, aWorld({ devices: [device] }), now).status?.phase).toBe("Hibernated");
  });

  it("stays at rest while nobody asks", () => {
    const device = asleep("t1", { pairRequestedAt: "t1" });
    const first = planDevice(device, aWorld({ devices: [device] }), now);
    expect(first.status?.phase).toBe("Hibernated");
    expect(first.status?.assignment?.pod).toBe("");
  });

  it("opens a new window on a new value of the annotation, and remembers it", () => {
    const device = asleep("t2", { pairRequestedAt: "t1" });
    const { status } = planDevice(device, aLinkedWorld(device, undefined), now);
    expect(status).toMatchObject({
      phase: "Scheduled",
      pairRequestedAt: "t2",
      assignment: { pod: "eu-px-0", epoch: 3 },
    });
  });

  it("LoggedOut outlives suspend and resume", () => {
    const conditions = [
      {
        type: "Paired",
        status: "False",
        reason: "LoggedOut",
        message: "",
        lastTransitionTime: "2026-01-01T00:00:00Z",
        observedGeneration: 1,
      },
    ];
    const device = asleep(undefined, { phase: "Suspended", conditions });
    expect(reasonsOf(device, aWorld({ devices: [device] })).phase).toBe("LoggedOut");
  });

  it("Blocked is left by suspend and resume alone, and forgets its cause then", () => {
    const lastDisconnect = { time: "2026-06-01T11:59:00Z", cause: "Replaced" };
    const blocked = asleep("t9", { phase: "Blocked", conditions: [], lastDisconnect });
    expect(reasonsOf(blocked, aWorld({ devices: [blocked] })).phase).toBe("Blocked");
    const resumed = asleep("t9", { phase: "Suspended", conditions: [], lastDisconnect });
    const { status } = planDevice(resumed, aLinkedWorld(resumed, undefined), now);
    expect(status).toMatchObject({ phase: "Scheduled", assignment: { epoch: 3 } });
    expect(status?.lastDisconnect).toBeUndefined();
  });

  it.each([
    ["stays for the same version", "2.3000.1", "Blocked"],
    ["tries once with another one", "2.3000.2", "Scheduled"],
    ["stays while the version is the library's own", "", "Blocked"],
  ])("an outdated client %s", (_case, clientVersion, phase) => {
    const lastDisconnect = { time: "2026-06-01T11:59:00Z", cause: "ClientOutdated", clientVersion: "2.3000.1" };
    const device = asleep(undefined, { phase: "Blocked", conditions: [], lastDisconnect });
    const world = aLinkedWorld(device, undefined, { settings: { ...settings, clientVersion } });
    expect(reasonsOf(device, world).phase).toBe(phase);
  });

  it("a suspended device is released and then leaves its pod", () => {
    const device = running({ spec: { egress: { pool: "eu" }, suspend: true } });
    const busy = planDevice(device, aLinkedWorld(device, aReport(device, "Connected", { paired: true })), now);
    expect(busy.status).toMatchObject({ phase: "Suspended", assignment: { podUID: "pod-uid-1" } });
    const released = planDevice(device, aLinkedWorld(device, aReport(device, "Released", { paired: true })), now);
    expect(released.status?.assignment).toMatchObject({ endpoint: "eu-px", pod: "", podUID: "" });
  });
});
