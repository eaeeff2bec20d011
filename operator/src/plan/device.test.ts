import { describe, expect, it } from "vitest";
import type { SessionReport } from "@wa/schema";
import {
  aDevice,
  aLink,
  aLinkedWorld,
  aPod,
  aReport,
  assignment,
  aWorld,
  later,
  now,
  anEndpoint,
  aRecord,
} from "../../test/builders.ts";
import { reasonsOf, running } from "../../test/planned-device.ts";
import { planDevice } from "./device.ts";
import { conditionOf } from "./set-conditions.ts";

it("sets every condition on the first visit, each with a reason and the generation", () => {
  const device = aDevice({ metadata: { generation: 7 } });
  const { status } = planDevice(device, aWorld({ devices: [device] }), now);
  expect(status?.conditions.map(({ type }) => type)).toEqual([
    "Ready",
    "Scheduled",
    "Paired",
    "Connected",
    "EgressHealthy",
    "ClientCurrent",
    "Restricted",
    "Reconciling",
    "Stalled",
  ]);
  for (const condition of status?.conditions ?? [])
    expect(condition).toMatchObject({ observedGeneration: 7, reason: expect.stringMatching(/^[A-Z]/) });
});

describe("a restriction of the account", () => {
  const since = "2026-06-01T11:00:00Z";
  const lock = { kind: "ReachoutTimelock", since, until: "2026-06-01T13:00:00Z" };
  const over = { ...lock, until: "2026-06-01T12:00:00Z" };
  const refusal = { kind: "NewChatsRefused", since };
  const lifted = { kind: "None", since };

  it.each<[string, SessionReport["restriction"], SessionReport["restriction"], string]>([
    ["is told as long as it lasts", undefined, lock, "True/ReachoutTimelock"],
    ["without an end is told too", undefined, refusal, "True/NewChatsRefused"],
    ["that has ended is not", undefined, over, "False/NotRestricted"],
    ["that was lifted is not, whatever its end", lock, lifted, "False/NotRestricted"],
    ["outlasts a session pod that knew it", lock, undefined, "True/ReachoutTimelock"],
    ["without an end does not outlast its session pod", refusal, undefined, "False/NotRestricted"],
    ["that ends with nobody there ends", over, undefined, "False/NotRestricted"],
    ["of a kind that only a newer pod knows is told as such", undefined, { kind: "Muted", since }, "True/Restricted"],
    ["is none where nothing was ever said", undefined, undefined, "False/NotRestricted"],
  ])("%s", (_words, before, reported, wanted) => {
    const device = running({ status: before === undefined ? {} : { restriction: before } });
    const report = aReport(device, "Connected", { paired: true, ...(reported && { restriction: reported }) });
    const { status } = planDevice(device, aLinkedWorld(device, report), now);
    const found = status && conditionOf(status, "Restricted");
    expect(`${found?.status}/${found?.reason}`).toBe(wanted);
    expect(status?.restriction === undefined).toBe(wanted === "False/NotRestricted");
  });
});

describe("a report becomes phase and conditions", () => {
  it.each([
    ["Claiming", {}, "Scheduled", "False/Claiming", "True/Claiming", "False/NotStalled"],
    ["StoreUnavailable", {}, "Connecting", "False/StoreUnavailable", "True/StoreUnavailable", "False/NotStalled"],
    [
      "StoreRefused",
      { reason: "MasterKeyMismatch" },
      "Pending",
      "False/MasterKeyMismatch",
      "False/NotReconciling",
      "True/MasterKeyMismatch",
    ],
    [
      "EgressUnready",
      { reason: "ProxySecretMissing" },
      "Connecting",
      "False/ProxySecretMissing",
      "True/ProxySecretMissing",
      "False/NotStalled",
    ],
    ["WaitingForGrant", {}, "Connecting", "False/WaitingForGrant", "True/WaitingForGrant", "False/NotStalled"],
    ["Connecting", {}, "Connecting", "False/Connecting", "True/Connecting", "False/NotStalled"],
    ["Connecting", { paired: true }, "Reconnecting", "False/Connecting", "True/Connecting", "False/NotStalled"],
    ["AwaitingPairing", {}, "AwaitingPairing", "False/AwaitingPairing", "False/NotReconciling", "False/NotStalled"],
    ["Connected", { paired: true }, "Connected", "True/Connected", "False/NotReconciling", "False/NotStalled"],
    [
      "BackingOff",
      { paired: true, lastDisconnect: { time: "2026-06-01T11:59:00Z", cause: "NetworkLoss" as const } },
      "Reconnecting",
      "False/NetworkLoss",
      "True/NetworkLoss",
      "False/NotStalled",
    ],
    [
      "Hibernated",
      { lastDisconnect: { time: "2026-06-01T11:59:00Z", cause: "QrExpired" as const } },
      "Hibernated",
      "False/Hibernated",
      "False/NotReconciling",
      "False/NotStalled",
    ],
    [
      "LoggedOut",
      { lastDisconnect: { time: "2026-06-01T11:59:00Z", cause: "LoggedOut" as const } },
      "LoggedOut",
      "False/LoggedOut",
      "False/NotReconciling",
      "True/LoggedOut",
    ],
    [
      "Blocked",
      { paired: true, lastDisconnect: { time: "2026-06-01T11:59:00Z", cause: "Replaced" as const } },
      "Blocked",
      "False/Replaced",
      "False/NotReconciling",
      "True/Replaced",
    ],
  ] as const)("%s %j", (state, over, ...wanted) => {
    const [phase, ready, reconciling, stalled] = wanted;
    const device = running();
    expect(reasonsOf(device, aLinkedWorld(device, aReport(device, state, over)))).toMatchObject({
      phase,
      ready,
      reconciling,
      stalled,
    });
  });

  it.each([
    ["EgressUnready", "ProxySecretMissing"],
    ["StoreRefused", "MasterKeyMismatch"],
    ["StoreUnavailable", "StoreUnavailable"],
  ] as const)("%s is told by an Event, once", (state, reason) => {
    const message = "what to mend";
    const device = running();
    const world = (of: typeof device) => aLinkedWorld(of, aReport(of, state, { reason, message }));
    const notes = (of: typeof device) =>
      planDevice(of, world(of), now).actions.flatMap((action) => (action.kind === "Note" ? [action.note] : []));
    expect(notes(device)).toEqual([{ type: "Warning", reason, message: expect.stringContaining(message) }]);
    const status = planDevice(device, world(device), now).status ?? device.status;
    expect(notes({ ...device, status })).toEqual([]);
  });

  it("shows the code to scan only while one can be scanned", () => {
    const device = running();
    const qr = { code: "2@abc", attempt: 1, expiresAt: "2026-06-01T12:01:00Z" };
    expect(
      planDevice(device, aLinkedWorld(device, aReport(device, "AwaitingPairing", { qr })), now).status?.qr,
    ).toEqual(qr);
    expect(
      planDevice(device, aLinkedWorld(device, aReport(device, "Connected", { qr, paired: true })), now).status?.qr,
    ).toBeUndefined();
  });

  it("says when its turn comes", () => {
    const device = running();
    const nextAttemptAt = "2026-06-01T12:00:30Z";
    const { status } = planDevice(
      device,
      aLinkedWorld(device, aReport(device, "WaitingForGrant", { nextAttemptAt })),
      now,
    );
    expect(status?.connection?.nextAttemptAt).toBe(nextAttemptAt);
    expect(status && conditionOf(status, "Ready")?.message).toContain(nextAttemptAt);
  });

  it("ignores a word about an older epoch", () => {
    const device = running({ status: { assignment: assignment({ epoch: 3 }) } });
    expect(reasonsOf(device, aLinkedWorld(device, aReport(device, "Hibernated", { epoch: 2 }))).phase).toBe(
      "Scheduled",
    );
  });

  it("a client that is refused for its age ends as ClientCurrent False, with advice", () => {
    const device = running();
    const lastDisconnect = {
      time: "2026-06-01T11:59:00Z",
      cause: "ClientOutdated" as const,
      clientVersion: "2.3000.1",
    };
    const { status } = planDevice(device, aLinkedWorld(device, aReport(device, "Blocked", { lastDisconnect })), now);
    expect(status && conditionOf(status, "ClientCurrent")).toMatchObject({ status: "False", reason: "ClientOutdated" });
    expect(status?.lastDisconnect?.advice).toContain("spec.client.version");
  });

  it("tells that the stored browser wins", () => {
    const device = running();
    const { status } = planDevice(
      device,
      aLinkedWorld(device, aReport(device, "Connected", { paired: true, browserDiffers: true })),
      now,
    );
    expect(status && conditionOf(status, "Paired")).toMatchObject({ status: "True", reason: "BrowserDiffers" });
  });

  it("moves lastTransitionTime only when a status flips", () => {
    const device = running();
    const world = aLinkedWorld(device, aReport(device, "Connected", { paired: true }));
    const first = planDevice(device, world, now).status;
    const second = planDevice({ ...device, status: first ?? device.status }, world, later(60_000)).status;
    expect(second).toEqual(first);
  });
});

describe("a quiet link", () => {
  const connected = () => {
    const device = running();
    const status = planDevice(device, aLinkedWorld(device, aReport(device, "Connected", { paired: true })), now).status;
    return { ...device, status: status ?? device.status };
  };

  it("a new leader keeps what status says until the lease has passed", () => {
    const device = connected();
    const world = aLinkedWorld(device, undefined, { links: [], leaderSinceMs: now.monotonicMs - 1_000 });
    const plan = planDevice(device, world, now);
    expect(plan.status).toEqual(device.status);
    expect(plan.recheckAfterMs).toBe(34_000);
    expect(reasonsOf(device, world, later(40_000))).toMatchObject({
      phase: "Reconnecting",
      ready: "Unknown/SessionPodSilent",
    });
  });

  it("a link that broke a moment ago changes nothing", () => {
    const device = connected();
    const sessions = new Map([[device.metadata.uid, aReport(device, "Connected", { paired: true })]]);
    const world = aLinkedWorld(device, undefined, {
      links: [aLink({ isConnected: false, lastHeardMs: now.monotonicMs - 3_000, sessions })],
    });
    expect(planDevice(device, world, now).status).toEqual(device.status);
  });

  it("a successor that has not linked yet is starting, not silent", () => {
    const device = connected();
    const released = aLinkedWorld(device, aReport(device, "Released", { paired: true }), {
      pods: [aPod({ uid: "pod-uid-2" })],
      endpoints: [anEndpoint({ status: { pods: [aRecord({ uid: "pod-uid-2" })] } })],
    });
    const { status } = planDevice(device, released, now);
    expect(status).toMatchObject({ phase: "Reconnecting", assignment: { podUID: "pod-uid-2", epoch: 2 } });
    const next = { ...device, status: status ?? device.status };
    expect(reasonsOf(next, released, later(1_000)).ready).toBe("False/PodStarting");
  });

  it("a pod that was deleted and released gives the device to its successor, without a stop at Pending", () => {
    const device = connected();
    const world = aLinkedWorld(device, aReport(device, "Released", { paired: true }), {
      pods: [aPod({ isTerminating: true })],
    });
    const plan = planDevice(device, world, now);
    expect(plan.status).toMatchObject({ phase: "Reconnecting", assignment: { pod: "eu-px-0", podUID: "", epoch: 1 } });
  });
});
