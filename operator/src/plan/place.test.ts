import { type SessionStateName } from "@wa/schema";
import { describe, expect, it } from "vitest";
import {
  aDevice,
  aLink,
  aLinkedWorld,
  anEndpoint,
  aNode,
  aNodeEndpoint,
  aPod,
  aPool,
  aRecord,
  aReport,
  assignment,
  aWorld,
  later,
  nodeMember,
  now,
  proxyMember,
} from "../../test/builders.ts";
import { reasonsOf, running } from "../../test/planned-device.ts";
import { planDevice } from "./device.ts";
import { conditionOf } from "./set-conditions.ts";

describe("a device without an endpoint says why", () => {
  it.each<[string, Parameters<typeof aWorld>[0] & object, string, string]>([
    ["its pool does not exist", { pools: [], endpoints: [] }, "PoolNotFound", 'no EgressPool "eu" in namespace "shop"'],
    [
      "its pool has no members",
      { pools: [aPool({ spec: { members: [] } })], endpoints: [] },
      "PoolEmpty",
      "spec.members is empty",
    ],
    [
      "no node matches",
      { pools: [aPool({ spec: { members: [nodeMember()] } })], endpoints: [] },
      "NoEndpoint",
      'spec.members[name="fr"].nodePool.nodeSelector {"egress-pool":"eu"}',
    ],
    ["its pool is new", { endpoints: [] }, "EndpointMissing", 'EgressPool "eu": its endpoints are being made'],
    [
      "another pool's endpoint has the name",
      { endpoints: [anEndpoint({ spec: { pool: "e", member: "u-px" } })] },
      "EndpointNameTaken",
      'EgressEndpoint "eu-px" exists for another way out',
    ],
    [
      "the only member drains",
      { pools: [aPool({ spec: { members: [proxyMember("px", { state: "Draining" })] } })] },
      "NoActiveEndpoint",
      "none of 1 endpoints",
    ],
    [
      "every place is taken",
      {
        pools: [aPool({ spec: { members: [proxyMember("px", { capacity: { maxSessions: 3 } })] } })],
        devices: ["a", "b", "c"].map((name) => aDevice({ name, status: { assignment: assignment() } })),
      },
      "CapacityFull",
      "3 of 3 places taken",
    ],
  ])("%s", (_case, over, reason, words) => {
    const device = aDevice();
    const { status } = planDevice(device, aWorld({ ...over, devices: [...(over.devices ?? []), device] }), now);
    const scheduled = status && conditionOf(status, "Scheduled");
    expect(scheduled).toMatchObject({ status: "False", reason });
    expect(scheduled?.message).toContain(words);
    expect(status?.phase).toBe("Pending");
    expect(status?.assignment).toBeUndefined();
  });

  it("no endpoint carries the labels of its selector: names selector and pool", () => {
    const device = aDevice({ spec: { egress: { pool: "eu", selector: { matchLabels: { country: "FR" } } } } });
    const { status } = planDevice(device, aWorld({ devices: [device] }), now);
    expect(status && conditionOf(status, "Scheduled")?.message).toContain('{"country":"FR"}');
  });
});

it("a pool whose endpoint is only just being made is worth no Event", () => {
  const device = aDevice();
  const { actions } = planDevice(device, aWorld({ endpoints: [], devices: [device] }), now);
  expect(actions).toEqual([]);
});

describe("assignment", () => {
  it("is written before the pod exists, without owner or epoch", () => {
    const device = aDevice();
    const { status } = planDevice(device, aWorld({ devices: [device] }), now);
    expect(status?.assignment).toMatchObject({ endpoint: "eu-px", pod: "eu-px-0", podUID: "", epoch: 0 });
  });

  it("names the owner and the first epoch at once where the pod runs already", () => {
    const device = aDevice();
    const { status } = planDevice(device, aLinkedWorld(device, undefined), now);
    expect(status?.assignment).toMatchObject({ pod: "eu-px-0", podUID: "pod-uid-1", epoch: 1 });
  });

  it("fills a pod before it asks for the next", () => {
    const pool = aPool({ spec: { sessionPods: { maxDevicesPerPod: 2 } } });
    const others = ["a", "b"].map((name) => aDevice({ name, status: { assignment: assignment() } }));
    const device = aDevice({ name: "c" });
    const { status } = planDevice(device, aWorld({ pools: [pool], devices: [...others, device] }), now);
    expect(status?.assignment?.pod).toBe("eu-px-1");
  });

  it("gives a dedicated device a pod of its own", () => {
    const device = aDevice({ spec: { egress: { pool: "eu" }, isolation: "Dedicated" } });
    expect(planDevice(device, aWorld({ devices: [device] }), now).status?.assignment?.pod).toMatch(
      /^eu-px-d-[0-9a-f]{8}$/,
    );
  });

  it("takes the least loaded endpoint", () => {
    const members = [proxyMember("px"), proxyMember("py")];
    const busy = aDevice({ name: "busy", status: { assignment: assignment() } });
    const device = aDevice({ name: "new" });
    const endpoints = [anEndpoint(), anEndpoint({ name: "eu-py", spec: { member: "py" } })];
    const world = aWorld({ pools: [aPool({ spec: { members } })], endpoints, devices: [busy, device] });
    expect(planDevice(device, world, now).status?.assignment?.endpoint).toBe("eu-py");
  });

  it("serves the oldest first where places are scarce", () => {
    const pool = aPool({ spec: { members: [proxyMember("px", { capacity: { maxSessions: 1 } })] } });
    const older = aDevice({ name: "z-older", metadata: { creationTimestamp: "2025-01-01T00:00:00Z" } });
    const younger = aDevice({ name: "a-younger" });
    const world = aWorld({ pools: [pool], devices: [older, younger] });
    expect(reasonsOf(younger, world).scheduled).toBe("False/CapacityFull");
    expect(planDevice(older, world, now).status?.assignment?.endpoint).toBe("eu-px");
  });
});

describe("pools that leave by one address", () => {
  const address = "198.51.100.1";
  const theirs = { namespace: "other", uid: "uid-other" };
  const seated = (count: number, metadata: object, prefix: string) =>
    Array.from({ length: count }, (_none, place) =>
      aDevice({
        name: `${prefix}${place}`,
        metadata: { ...metadata, uid: `${prefix}${place}` },
        status: { assignment: assignment() },
      }),
    );
  const poolOf = (maxSessions: number, metadata: object = {}) =>
    aPool({ metadata, spec: { members: [proxyMember("px", { capacity: { maxSessions } })] } });
  const worldOf = ({ mine, other, taken, foreign, seen = address }: Scene) => {
    const device = aDevice();
    const devices = [...seated(taken, {}, "m"), ...seated(foreign, theirs, "t"), device];
    const endpoints = [
      anEndpoint({ status: { observedIPs: [address] } }),
      anEndpoint({ metadata: theirs, status: { observedIPs: [seen] } }),
    ];
    return { device, world: aWorld({ pools: [poolOf(mine), poolOf(other, theirs)], endpoints, devices }) };
  };
  interface Scene {
    readonly mine: number;
    readonly other: number;
    readonly taken: number;
    readonly foreign: number;
    readonly seen?: string;
  }
  const isPlaced = (scene: Scene): boolean => {
    const { device, world } = worldOf(scene);
    return planDevice(device, world, now).status?.assignment?.endpoint === "eu-px";
  };

  it.each([
    ["have a small limit for themselves alone", { mine: 100, other: 10, taken: 13, foreign: 3 }, true],
    ["take what the other one cannot take", { mine: 100, other: 10, taken: 89, foreign: 10 }, true],
    ["leave the other one what it may take", { mine: 100, other: 10, taken: 90, foreign: 1 }, false],
    ["have equal shares of equal limits", { mine: 10, other: 10, taken: 4, foreign: 5 }, true],
    ["take no more than their share", { mine: 10, other: 10, taken: 5, foreign: 1 }, false],
    ["take their share from one that was there before", { mine: 10, other: 10, taken: 4, foreign: 10 }, true],
    ["have one place at least", { mine: 1, other: 10_000, taken: 0, foreign: 10_000 }, true],
    ["keep nothing for a pool without devices", { mine: 10, other: 10, taken: 9, foreign: 0 }, true],
    ["keep nothing for a pool that takes none", { mine: 10, other: 0, taken: 9, foreign: 0 }, true],
    [
      "share it however it is written",
      { mine: 10, other: 10, taken: 5, foreign: 1, seen: "::ffff:198.51.100.1" },
      false,
    ],
  ])("%s", (_sentence, scene, placed) => {
    expect(isPlaced(scene)).toBe(placed);
  });

  it("say limit, address and whose the other places are, and no name of another namespace", () => {
    const { device, world } = worldOf({ mine: 10, other: 10, taken: 5, foreign: 1 });
    const { status, actions } = planDevice(device, world, now);
    const scheduled = status?.conditions.find(({ type }) => type === "Scheduled");
    expect(scheduled?.message).toBe(
      `EgressPool "eu": 5 of 5 places taken on address ${address}; of the 10 of capacity.maxSessions the others are left to a pool of another namespace, which leaves by it too`,
    );
    const told = actions.flatMap((action) => (action.kind === "Note" ? [action] : []));
    const events = told.map(({ target, note }) => [target.kind, target.namespace, note.reason]);
    expect(events).toContainEqual(["EgressPool", "other", "AddressShared"]);
    expect(told.find(({ target }) => target.namespace === "other")?.note.message).not.toContain("shop");
  });

  it("are told once, when the wait begins", () => {
    const { device, world } = worldOf({ mine: 10, other: 10, taken: 5, foreign: 1 });
    const { status } = planDevice(device, world, now);
    if (status === undefined) throw new Error("no status");
    expect(planDevice({ ...device, status }, world, now).actions).toEqual([]);
  });
});

describe("the epoch rises", () => {
  it.each([
    ["when the former owner has released", aLink({ uid: "old" }), "Released" as SessionStateName, now],
    [
      "when the former owner has been silent for longer than its lease",
      aLink({ uid: "old", isConnected: false, lastHeardMs: now.monotonicMs - 36_000 }),
      "Connected" as SessionStateName,
      now,
    ],
  ])("%s", (_case, link, state, at) => {
    const device = running({ status: { assignment: assignment({ podUID: "old", epoch: 4 }) } });
    const sessions = new Map([[device.metadata.uid, aReport(device, state)]]);
    const world = aLinkedWorld(device, undefined, { links: [{ ...link, sessions }] });
    expect(planDevice(device, world, at).status?.assignment).toMatchObject({ podUID: "pod-uid-1", epoch: 5 });
  });

  it.each([
    ["the former owner still answers", aLink({ uid: "old" })],
    [
      "the former owner was heard a moment ago",
      aLink({ uid: "old", isConnected: false, lastHeardMs: now.monotonicMs - 5_000 }),
    ],
  ])("but not while %s", (_case, link) => {
    const device = running({ status: { assignment: assignment({ podUID: "old", epoch: 4 }) } });
    const sessions = new Map([[device.metadata.uid, aReport(device, "Connected")]]);
    const plan = planDevice(device, aLinkedWorld(device, undefined, { links: [{ ...link, sessions }] }), now);
    expect(plan.status?.assignment).toMatchObject({ podUID: "old", epoch: 4 });
    expect(plan.recheckAfterMs).toBeGreaterThan(0);
  });

  it("a new leader counts from its own start", () => {
    const device = running({ status: { assignment: assignment({ podUID: "old", epoch: 4 }) } });
    const world = aLinkedWorld(device, undefined, { links: [], leaderSinceMs: now.monotonicMs - 10_000 });
    expect(planDevice(device, world, now).status?.assignment?.epoch).toBe(4);
    expect(planDevice(device, world, later(30_000)).status?.assignment?.epoch).toBe(5);
  });

  it("above the stored one after a refused claim", () => {
    const device = running();
    const world = aLinkedWorld(device, aReport(device, "ClaimRefused", { storedEpoch: 41 }));
    expect(planDevice(device, world, now).status?.assignment).toMatchObject({ epoch: 42, podUID: "pod-uid-1" });
  });

  it("waits for a deleted device of the same name", () => {
    const former = aDevice({ metadata: { uid: "uid-former" }, status: { assignment: assignment() } });
    const device = aDevice();
    const sessions = new Map([["uid-former", aReport(former, "Connected")]]);
    const world = aLinkedWorld(device, undefined, { links: [aLink({ sessions })] });
    expect(reasonsOf(device, world).scheduled).toBe("False/FormerDevice");
  });

  it.each<[string, SessionStateName, number, string]>([
    ["waits", "Connected", 1_000, "False/FormerDevice"],
    ["does not wait once it has let go", "Released", 1_000, "True/Assigned"],
    ["waits no longer than a pod that tells the truth would need", "Connected", 36_000, "True/Assigned"],
  ])("for one that a pod alone tells of, it %s", (_case, state, agoMs, scheduled) => {
    const former = aDevice({ metadata: { uid: "uid-former" }, status: { assignment: assignment() } });
    const device = aDevice();
    const sessions = new Map([["uid-former", aReport(former, state)]]);
    const links = [aLink({ former: { sessions, sinceMs: now.monotonicMs - agoMs } })];
    expect(reasonsOf(device, aLinkedWorld(device, undefined, { links })).scheduled).toBe(scheduled);
  });
});

describe("a pod that cannot be", () => {
  it("a foreign pod has the name: says so and stalls", () => {
    const device = running({ status: { assignment: assignment({ podUID: "" }) } });
    const endpoints = [anEndpoint({ status: { pods: [{ name: "eu-px-0", nonce: "ours" }] } })];
    const world = aWorld({ devices: [device], endpoints, pods: [aPod({ nonce: "theirs", endpointUid: "" })] });
    expect(reasonsOf(device, world)).toMatchObject({ scheduled: "False/PodNameTaken", stalled: "True/PodNameTaken" });
  });

  it("one of ours that no record knows has the name: it goes by itself, and nobody is blamed", () => {
    const device = running({ status: { assignment: assignment({ podUID: "" }) } });
    const endpoints = [anEndpoint({ status: { pods: [{ name: "eu-px-0", nonce: "ours" }] } })];
    const world = aWorld({ devices: [device], endpoints, pods: [aPod({ nonce: "of the past" })] });
    expect(reasonsOf(device, world)).toMatchObject({ scheduled: "True/Assigned", stalled: "False/NotStalled" });
  });

  it.each([
    ["exceeded quota: pods", "QuotaExceeded"],
    ["violates PodSecurity", "PodCreateRefused"],
  ])("the API server refuses it (%s)", (message, reason) => {
    const device = running({ status: { assignment: assignment({ podUID: "" }) } });
    const endpoints = [anEndpoint({ status: { pods: [{ name: "eu-px-0", nonce: "ours" }] } })];
    const world = aWorld({
      devices: [device],
      endpoints,
      memory: { refusals: new Map([["Pod shop/eu-px-0", { verb: "create", message }]]) },
    });
    expect(reasonsOf(device, world).scheduled).toBe(`False/${reason}`);
  });
});

describe("a node that goes", () => {
  const pool = aPool({ spec: { members: [nodeMember(), proxyMember()] } });
  const place = assignment({ endpoint: "eu-fr-aabbccdd", pod: "eu-fr-aabbccdd-0", podUID: "old" });
  const endpoints = [aNodeEndpoint(), anEndpoint()];

  it("NotReady or not, its devices stay while its object exists", () => {
    const device = running({ status: { assignment: place } });
    const world = aWorld({ pools: [pool], endpoints, nodes: [aNode()], devices: [device] });
    expect(planDevice(device, world, now).status?.assignment?.endpoint).toBe("eu-fr-aabbccdd");
  });

  it("no longer selected: its devices stay", () => {
    const device = running({ status: { assignment: place } });
    const world = aWorld({ pools: [pool], endpoints, nodes: [aNode({ labels: {} })], devices: [device] });
    expect(planDevice(device, world, now).status?.assignment?.endpoint).toBe("eu-fr-aabbccdd");
  });

  it("deleted: its devices move once takeover is allowed", () => {
    const device = running({ status: { assignment: place } });
    const heard = (lastHeardMs: number) => [
      aLink({ uid: "old", endpoint: "eu-fr-aabbccdd", isConnected: false, lastHeardMs }),
    ];
    const young = aWorld({ pools: [pool], endpoints, devices: [device], links: heard(now.monotonicMs - 1_000) });
    expect(planDevice(device, young, now).status?.assignment).toMatchObject({
      endpoint: "eu-fr-aabbccdd",
      podUID: "old",
    });
    expect(reasonsOf(device, young).scheduled).toBe("False/NodeDeleted");
    const old = aWorld({ pools: [pool], endpoints, devices: [device], links: heard(now.monotonicMs - 36_000) });
    expect(planDevice(device, old, now).status?.assignment).toMatchObject({ endpoint: "eu-px", podUID: "", epoch: 1 });
  });

  it("deleted, but failover is Never: the device stays and says so", () => {
    const device = running({ spec: { egress: { pool: "eu", failover: "Never" } }, status: { assignment: place } });
    const world = aWorld({ pools: [pool], endpoints, devices: [device] });
    expect(planDevice(device, world, now).status?.assignment?.endpoint).toBe("eu-fr-aabbccdd");
    expect(reasonsOf(device, world).scheduled).toBe("False/NodeDeleted");
  });
});

it("tells the record's pod by its UID, not by its name", () => {
  const device = running({ status: { assignment: assignment({ podUID: "" }) } });
  const endpoints = [anEndpoint({ status: { pods: [aRecord({ uid: "another" })] } })];
  expect(
    planDevice(device, aWorld({ devices: [device], endpoints, pods: [aPod()] }), now).status?.assignment?.podUID,
  ).toBe("");
});
