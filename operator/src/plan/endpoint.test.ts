import { describe, expect, it } from "vitest";
import {
  aDevice,
  aLink,
  aLinkedWorld,
  anEndpoint,
  aNodeEndpoint,
  aPod,
  aPool,
  aRecord,
  aReport,
  assignment,
  aWorld,
  later,
  now,
  proxyMember,
} from "../../test/builders.ts";
import { planEndpoint } from "./endpoint.ts";
import { emptyGraceMs } from "./pods.ts";
import type { Memory, PodFacts, World } from "./world.ts";
import type { PodRecord, WhatsAppDevice } from "@wa/schema";

const nonce = () => "fresh-nonce";
const guest = (over: object = {}, name = "ann") => aDevice({ name, status: { assignment: assignment(over) } });

interface Scene {
  readonly records?: readonly PodRecord[];
  readonly pods?: readonly PodFacts[];
  readonly devices?: readonly WhatsAppDevice[];
  readonly memory?: Partial<Memory>;
}

function planned({ records = [], pods = [], devices = [guest()], memory = {} }: Scene, at = now) {
  const endpoint = anEndpoint({ status: { pods: records } });
  return planEndpoint(endpoint, aWorld({ endpoints: [endpoint], pods, devices, memory }), at, nonce);
}
const kinds = (scene: Scene, at = now) => planned(scene, at).actions.map(({ kind }) => kind);

describe("a session pod", () => {
  it("is recorded before it is created", () => {
    const plan = planned({});
    expect(plan.actions).toEqual([]);
    expect(plan.status?.pods).toEqual([{ name: "eu-px-0", nonce: "fresh-nonce" }]);
  });

  it("of a dedicated device is recorded with its name", () => {
    const device = aDevice({
      spec: { egress: { pool: "eu" }, isolation: "Dedicated" },
      status: { assignment: assignment({ pod: "eu-px-d-1234abcd" }) },
    });
    expect(planned({ devices: [device] }).status?.pods).toMatchObject([
      { name: "eu-px-d-1234abcd", dedicatedTo: "ann" },
    ]);
  });

  it.each<[string, Scene, string[]]>([
    ["recorded: is created with that nonce", { records: [{ name: "eu-px-0", nonce: "n" }] }, ["CreatePod"]],
    [
      "recorded, a foreign pod has the name: is not created",
      { records: [{ name: "eu-px-0", nonce: "n" }], pods: [aPod({ nonce: "x", endpointUid: "" })] },
      [],
    ],
    [
      "recorded, one that another endpoint owns has the name: is not created",
      { records: [{ name: "eu-px-0", nonce: "n" }], pods: [aPod({ nonce: "x", endpointUid: "another" })] },
      [],
    ],
    [
      "recorded, one of ours that no record knows has the name: that one goes",
      { records: [{ name: "eu-px-0", nonce: "n" }], pods: [aPod({ nonce: "x" })] },
      ["DeleteStray"],
    ],
    [
      "recorded, one of ours that no record knows has the name and goes already: waits",
      { records: [{ name: "eu-px-0", nonce: "n" }], pods: [aPod({ nonce: "x", isTerminating: true })] },
      [],
    ],
    [
      "has gone, and one of its nonce has its name: its record is renewed, and that one goes",
      { records: [aRecord({ uid: "pod-uid-0" })], pods: [aPod()] },
      ["ExpectPodGone", "DeleteStray"],
    ],
    ["of ours without a record goes", { pods: [aPod({ name: "eu-px-7" })] }, ["DeleteStray"]],
    ["runs: is left alone", { records: [aRecord()], pods: [aPod()] }, []],
    ["is pending: is left alone", { records: [aRecord()], pods: [aPod({ phase: "Pending" })] }, []],
    ["has failed: is deleted by its UID", { records: [aRecord()], pods: [aPod({ phase: "Failed" })] }, ["DeletePod"]],
    [
      "has succeeded: is deleted by its UID",
      { records: [aRecord()], pods: [aPod({ phase: "Succeeded" })] },
      ["DeletePod"],
    ],
    [
      "failed and goes already: waits",
      { records: [aRecord()], pods: [aPod({ phase: "Failed", isTerminating: true })] },
      [],
    ],
    [
      "has gone: is looked for past the cache before its record is renewed",
      { records: [aRecord()] },
      ["ExpectPodGone"],
    ],
    [
      "ended a moment ago: the next one waits",
      {
        records: [{ name: "eu-px-0", nonce: "n" }],
        memory: { podEnds: new Map([["shop/eu-px-0", { count: 3, lastMs: now.monotonicMs - 1_000 }]]) },
      },
      [],
    ],
    ["has no devices: stays for a grace", { records: [aRecord()], pods: [aPod()], devices: [] }, []],
    [
      "has had no devices for long: is deleted",
      {
        records: [aRecord()],
        pods: [aPod()],
        devices: [],
        memory: { emptySinceMs: new Map([["shop/eu-px-0", now.monotonicMs - emptyGraceMs]]) },
      },
      ["DeletePod"],
    ],
    ["has neither devices nor pod: its record goes", { records: [aRecord()], devices: [] }, ["ExpectPodGone"]],
  ])("%s", (_case, scene, wanted) => {
    expect(kinds(scene)).toEqual(wanted);
  });

  it("is ours by its nonce, and its UID is recorded then", () => {
    const plan = planned({ records: [{ name: "eu-px-0", nonce: "nonce-1" }], pods: [aPod()] });
    expect(plan.status?.pods).toEqual([aRecord()]);
  });

  it("that ended is made again, later with each end", () => {
    const records = [{ name: "eu-px-0", nonce: "n" }];
    const memory = { podEnds: new Map([["shop/eu-px-0", { count: 3, lastMs: now.monotonicMs }]]) };
    expect(planned({ records, memory }).recheckAfterMs).toBe(4_000);
    expect(kinds({ records, memory }, later(4_000))).toEqual(["CreatePod"]);
  });

  it("that has gone gets another nonce for its successor", () => {
    expect(planned({ records: [aRecord()] }).status?.pods).toEqual([{ name: "eu-px-0", nonce: "fresh-nonce" }]);
  });
});

describe("the wish for a pod", () => {
  const wish = (device: WhatsAppDevice, world: World = aLinkedWorld(device, undefined)) => {
    const endpoint = world.endpoints.get("shop/eu-px") ?? anEndpoint();
    return planEndpoint(endpoint, world, now, nonce).desired;
  };

  it("names the device with epoch and durations", () => {
    const [desired] = wish(guest({ epoch: 5 }));
    expect(desired).toMatchObject({
      podUid: "pod-uid-1",
      assignments: [{ epoch: 5, desired: "Running", spec: { connectTimeoutMs: 20_000, maxDelayMs: 300_000 } }],
    });
  });

  it.each<[string, WhatsAppDevice]>([
    [
      "is suspended",
      aDevice({ spec: { egress: { pool: "eu" }, suspend: true }, status: { assignment: assignment() } }),
    ],
    ["is at rest", aDevice({ status: { phase: "Blocked", assignment: assignment() } })],
    ["wants another pool", aDevice({ spec: { egress: { pool: "us" } }, status: { assignment: assignment() } })],
    [
      "wants a pod of its own",
      aDevice({ spec: { egress: { pool: "eu" }, isolation: "Dedicated" }, status: { assignment: assignment() } }),
    ],
    ["gave its epoch to another pod", guest({ podUID: "another" })],
    [
      "is deleted",
      aDevice({
        metadata: { deletionTimestamp: "2026-06-01T11:59:00Z", finalizers: ["x"] },
        status: { assignment: assignment() },
      }),
    ],
  ])("leaves out a device that %s", (_case, device) => {
    expect(wish(device)[0]?.assignments).toEqual([]);
  });

  it("asks for the logout of a device on its way out", () => {
    const device = aDevice({
      metadata: { deletionTimestamp: "2026-06-01T11:59:00Z", finalizers: ["whatsapp-operator.io/logout"] },
      spec: { egress: { pool: "eu" }, deletionPolicy: "Logout" },
      status: { assignment: assignment() },
    });
    expect(wish(device)[0]?.assignments).toMatchObject([{ desired: "LoggedOut" }]);
  });

  it("of a pod that is no longer recorded is to let go of everything", () => {
    const device = guest({ podUID: "pod-uid-2" });
    const world = aLinkedWorld(device, undefined, { links: [aLink(), aLink({ uid: "pod-uid-0" })] });
    expect(wish(device, world).find(({ podUid }) => podUid === "pod-uid-0")?.assignments).toEqual([]);
  });
});

describe("an endpoint's status", () => {
  it("holds what linked pods saw, and when that changed", () => {
    const world = aWorld({
      links: [aLink({ observedIPs: ["198.51.100.2"] }), aLink({ uid: "b", observedIPs: ["198.51.100.1"] })],
    });
    expect(planEndpoint(anEndpoint(), world, now, nonce).status).toMatchObject({
      observedIPs: ["198.51.100.1", "198.51.100.2"],
      observedIPsChangedAt: "2026-06-01T12:00:00Z",
    });
  });

  it("keeps the addresses while no pod says anything", () => {
    const endpoint = anEndpoint({
      status: { observedIPs: ["198.51.100.1"], observedIPsChangedAt: "2026-01-01T00:00:00Z" },
    });
    expect(planEndpoint(endpoint, aWorld({ endpoints: [endpoint] }), now, nonce).status).toMatchObject({
      observedIPs: ["198.51.100.1"],
      observedIPsChangedAt: "2026-01-01T00:00:00Z",
    });
  });

  it.each([
    ["its member drains", [proxyMember("px", { state: "Draining" })], "Draining"],
    ["its member is disabled", [proxyMember("px", { state: "Disabled" })], "Disabled"],
    ["its member is gone", [proxyMember("other")], "Draining"],
    [
      "its proxy has changed under the same name",
      [proxyMember("px", { proxy: { protocol: "http", host: "192.0.2.8", port: 80 } })],
      "Draining",
    ],
  ])("%s", (_case, members, phase) => {
    const world = aWorld({ pools: [aPool({ spec: { members } })], devices: [guest()] });
    expect(planEndpoint(anEndpoint(), world, now, nonce).status?.phase).toBe(phase);
  });

  it.each([
    ["nothing names it and it is empty: it goes", [], [], ["DeleteEndpoint"]],
    ["nothing names it, a device is on it: it stays", [guest()], [], []],
    ["nothing names it, a pod is left: the pod's record goes first", [], [aRecord()], ["ExpectPodGone"]],
  ])("%s", (_case, devices, pods, wanted) => {
    const endpoint = anEndpoint({ status: { pods } });
    const world = aWorld({ pools: [], endpoints: [endpoint], devices });
    // A device whose pod is recorded nowhere yet asks for a record, not for an action.
    expect(planEndpoint(endpoint, world, now, nonce).actions.map(({ kind }) => kind)).toEqual(wanted);
  });

  it("a deleted node makes no pods", () => {
    const endpoint = aNodeEndpoint({ status: { pods: [{ name: "eu-fr-aabbccdd-0", nonce: "n" }] } });
    const place = { endpoint: "eu-fr-aabbccdd", pod: "eu-fr-aabbccdd-0", podUID: "" };
    const world = aWorld({ endpoints: [endpoint], devices: [guest(place)] });
    expect(planEndpoint(endpoint, world, now, nonce)).toMatchObject({ actions: [], status: { phase: "Draining" } });
  });
});

it("a refused claim or an old report does not change the wish", () => {
  const device = guest();
  const world = aLinkedWorld(device, aReport(device, "ClaimRefused", { storedEpoch: 9 }));
  expect(
    planEndpoint(world.endpoints.get("shop/eu-px") ?? anEndpoint(), world, now, nonce).desired[0]?.assignments,
  ).toHaveLength(1);
});
