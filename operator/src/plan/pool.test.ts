import { finalizers } from "@wa/schema";
import { describe, expect, it } from "vitest";
import {
  aDevice,
  anEndpoint,
  aNode,
  aPool,
  assignment,
  aWorld,
  nodeMember,
  now,
  proxyMember,
} from "../../test/builders.ts";
import { planPool } from "./pool.ts";
import { conditionOf } from "./set-conditions.ts";

/** What a plan does, and what it tells by Events. */
const deedsOf = ({ actions }: ReturnType<typeof planPool>) => actions.filter(({ kind }) => kind !== "Note");
const toldBy = ({ actions }: ReturnType<typeof planPool>) =>
  actions.flatMap((action) => (action.kind === "Note" ? [`${action.note.reason}: ${action.note.message}`] : []));

const labelled = {
  "whatsapp-operator.io/pool": "eu",
  "whatsapp-operator.io/member": "px",
  "app.kubernetes.io/managed-by": "whatsapp-operator",
};

describe("endpoints", () => {
  it("one for each selected node and each proxy, with the member's labels", () => {
    const pool = aPool({ spec: { members: [nodeMember("fr", { labels: { country: "FR" } }), proxyMember()] } });
    const nodes = [
      aNode(),
      aNode({ name: "node-2", uid: "11223344-0000-4000-8000-000000000002" }),
      aNode({ name: "node-3", labels: {} }),
    ];
    const { actions } = planPool(pool, aWorld({ pools: [pool], endpoints: [], nodes }), now);
    expect(actions).toMatchObject([
      { kind: "CreateEndpoint", name: "eu-fr-aabbccdd", labels: { country: "FR" }, spec: { node: { name: "node-1" } } },
      { kind: "CreateEndpoint", name: "eu-fr-11223344" },
      { kind: "CreateEndpoint", name: "eu-px", spec: { proxy: { host: "192.0.2.7" } } },
    ]);
  });

  it.each([
    ["exists as wanted: nothing", labelled, []],
    ["has other labels: gets them", { ...labelled, country: "FR" }, ["SetEndpointLabels"]],
  ])("%s", (_case, labels, wanted) => {
    const world = aWorld({ endpoints: [anEndpoint({ metadata: { labels } })] });
    expect(planPool(aPool(), world, now).actions.map(({ kind }) => kind)).toEqual(wanted);
  });

  it.each([
    ["another pool's endpoint", { pool: "e", member: "u-px" }],
    ["the member's former proxy", { proxy: { protocol: "http", host: "192.0.2.8", port: 80 } }],
  ])("%s has the name: stalls and does not take it", (_case, spec) => {
    const world = aWorld({ endpoints: [anEndpoint({ spec })] });
    const plan = planPool(aPool(), world, now);
    expect(deedsOf(plan)).toEqual([]);
    expect(plan.status && conditionOf(plan.status, "Stalled")).toMatchObject({
      status: "True",
      reason: "EndpointNameTaken",
    });
  });

  it("makes none in a namespace that goes", () => {
    const world = aWorld({ endpoints: [], terminating: { namespaces: new Set(["shop"]), crds: new Set() } });
    expect(planPool(aPool(), world, now).actions).toEqual([]);
  });
});

describe("finalizer", () => {
  const held = { finalizers: [finalizers.poolInUse] };
  const going = { ...held, deletionTimestamp: "2026-06-01T11:59:00Z" };
  it.each([
    ["a device names the pool: holds it", {}, [aDevice()], { finalizers: [finalizers.poolInUse] }],
    ["nobody names it: lets go", held, [], { finalizers: [] }],
    ["deleted and unused: lets go", going, [], { finalizers: [] }],
  ])("%s", (_case, metadata, devices, wanted) => {
    const pool = aPool({ metadata });
    expect(planPool(pool, aWorld({ pools: [pool], devices }), now).actions).toMatchObject([
      { kind: "SetFinalizers", ...wanted },
    ]);
  });

  it("deleted but used: says by how many, and keeps its endpoints", () => {
    const pool = aPool({ metadata: going });
    const plan = planPool(pool, aWorld({ pools: [pool], devices: [aDevice()] }), now);
    expect(deedsOf(plan)).toEqual([]);
    expect(plan.status && conditionOf(plan.status, "Ready")?.message).toContain("1 device uses it");
  });

  it("deleted while a device still leaves by it under another name: holds", () => {
    const pool = aPool({ metadata: going });
    const device = aDevice({ spec: { egress: { pool: "us" } }, status: { assignment: assignment() } });
    const plan = planPool(pool, aWorld({ pools: [pool], devices: [device] }), now);
    expect(deedsOf(plan)).toEqual([]);
    expect(toldBy(plan)).toEqual([expect.stringContaining("InUse: deleted, but a device still leaves by")]);
  });
});

describe("what somebody has to mend", () => {
  const world = (pool: ReturnType<typeof aPool>, endpoints: ReturnType<typeof anEndpoint>[] = []) =>
    aWorld({ pools: [pool], endpoints, nodes: [aNode()] });

  it.each([
    ["no member", [], "PoolEmpty: spec.members is empty"],
    [
      "a selector that no node fits",
      [nodeMember("it", { nodePool: { nodeSelector: { zone: "rome" } } })],
      'NoEndpoint: no node carries the labels of spec.members[name="it"].nodePool.nodeSelector {"zone":"rome"}',
    ],
  ])("%s: is told by an Event once, by field and value", (_case, members, wanted) => {
    const pool = aPool({ spec: { members } });
    const plan = planPool(pool, world(pool), now);
    expect(toldBy(plan)).toEqual([wanted]);
    const next = aPool({ spec: { members }, status: plan.status ?? {} });
    expect(toldBy(planPool(next, world(next), now))).toEqual([]);
  });

  it("a pool without a ready endpoint names one, and why it is not", () => {
    const conditions = [{ type: "Ready", status: "False", reason: "ProxyFault", message: "refused" }].map((one) => ({
      ...one,
      lastTransitionTime: "2026-01-01T00:00:00Z",
      observedGeneration: 1,
    }));
    const plan = planPool(aPool(), world(aPool(), [anEndpoint({ status: { conditions } })]), now);
    expect(plan.status && conditionOf(plan.status, "Ready")?.message).toBe(
      'none of 1 endpoints is ready for devices; EgressEndpoint "eu-px" ProxyFault: refused',
    );
    expect(toldBy(plan)).toEqual([]);
  });

  it("a ready pool says which of its members has no node", () => {
    const rome = nodeMember("it", { nodePool: { nodeSelector: { zone: "rome" } } });
    const pool = aPool({ spec: { members: [proxyMember(), rome] } });
    const conditions = [{ type: "Ready", status: "True", reason: "Idle", message: "" }].map((one) => ({
      ...one,
      lastTransitionTime: "2026-01-01T00:00:00Z",
      observedGeneration: 1,
    }));
    const plan = planPool(pool, world(pool, [anEndpoint({ status: { conditions } })]), now);
    expect(plan.status && conditionOf(plan.status, "Ready")).toMatchObject({
      status: "True",
      message: expect.stringContaining('spec.members[name="it"].nodePool.nodeSelector {"zone":"rome"}'),
    });
  });
});

it("counts endpoints and devices", () => {
  const ready = [
    {
      type: "Ready",
      status: "True",
      reason: "Linked",
      message: "",
      lastTransitionTime: "2026-01-01T00:00:00Z",
      observedGeneration: 1,
    },
  ];
  const pool = aPool({ metadata: { finalizers: [finalizers.poolInUse] } });
  const world = aWorld({
    pools: [pool],
    endpoints: [anEndpoint({ metadata: { labels: labelled }, status: { conditions: ready } })],
    devices: [aDevice({ status: { phase: "Connected" } }), aDevice({ name: "bob" })],
  });
  expect(planPool(pool, world, now).status).toMatchObject({
    endpoints: 1,
    readyEndpoints: 1,
    devices: 2,
    connectedDevices: 1,
  });
});
