import type { PodRecord } from "@wa/schema";
import fc from "fast-check";
import { expect, it } from "vitest";
import { aDevice, aNode, later, now } from "../../test/builders.ts";
import { ClusterModel, Crash } from "../../test/cluster-model.ts";
import { holdsPlace } from "./capacity.ts";
import { keyOf, type Now } from "./world.ts";

type Move =
  | { readonly kind: "Device"; readonly name: string; readonly dedicated: boolean; readonly suspend: boolean }
  | { readonly kind: "DeleteDevice"; readonly name: string }
  | { readonly kind: "Node"; readonly index: number; readonly isThere: boolean }
  | { readonly kind: "KillPod"; readonly index: number; readonly how: "Failed" | "Gone" }
  | { readonly kind: "LatePod"; readonly index: number }
  /** The pod lives on without a link. */
  | { readonly kind: "Partition"; readonly index: number }
  | { readonly kind: "Crash"; readonly afterCalls: number };

const names = ["ann", "bob", "cat", "dan", "eve", "fay"];
const move: fc.Arbitrary<Move> = fc.oneof(
  fc.record({
    kind: fc.constant("Device" as const),
    name: fc.constantFrom(...names),
    dedicated: fc.boolean(),
    suspend: fc.boolean(),
  }),
  fc.record({ kind: fc.constant("DeleteDevice" as const), name: fc.constantFrom(...names) }),
  fc.record({ kind: fc.constant("Node" as const), index: fc.nat(2), isThere: fc.boolean() }),
  fc.record({
    kind: fc.constant("KillPod" as const),
    index: fc.nat(4),
    how: fc.constantFrom("Failed" as const, "Gone" as const),
  }),
  fc.record({ kind: fc.constant("LatePod" as const), index: fc.nat(4) }),
  fc.record({ kind: fc.constant("Partition" as const), index: fc.nat(4) }),
  fc.record({ kind: fc.constant("Crash" as const), afterCalls: fc.nat(6) }),
);

function apply(model: ClusterModel, step: Move): void {
  switch (step.kind) {
    case "Device": {
      const key = `shop/${step.name}`;
      const spec = {
        egress: { pool: "eu" },
        isolation: step.dedicated ? "Dedicated" : "Shared",
        suspend: step.suspend,
      };
      const status = model.devices.get(key)?.status ?? {};
      model.devices.set(key, aDevice({ name: step.name, spec, status }));
      return;
    }
    case "DeleteDevice":
      model.devices.delete(`shop/${step.name}`);
      return;
    case "Node": {
      const uid = `${String(step.index).repeat(8)}-0000-4000-8000-000000000000`;
      if (step.isThere) model.nodes.set(`n${step.index}`, aNode({ name: `n${step.index}`, uid }));
      else model.nodes.delete(`n${step.index}`);
      return;
    }
    case "KillPod":
      killPod(model, step);
      return;
    case "LatePod": {
      const endpoint = [...model.endpoints.values()][step.index];
      if (endpoint !== undefined) model.arriveLate(endpoint);
      return;
    }
    case "Partition": {
      const link = [...model.links.values()][step.index];
      if (link !== undefined) model.links.set(link.uid, { ...link, isConnected: false });
      return;
    }
    case "Crash":
      model.budget = step.afterCalls;
      return;
    default:
      step satisfies never;
  }
}

function killPod(model: ClusterModel, { index, how }: Extract<Move, { readonly kind: "KillPod" }>): void {
  const pod = [...model.pods.values()][index];
  if (pod === undefined) return;
  if (how === "Gone") model.pods.delete(keyOf(pod));
  else model.pods.set(keyOf(pod), { ...pod, phase: "Failed" });
  const link = model.links.get(pod.uid);
  if (link !== undefined) model.links.set(pod.uid, { ...link, isConnected: false });
}

/** Passes, a minute apart, until two in a row change nothing; a crash on the way only ends that pass. */
function settle(model: ClusterModel, from: Now): Now {
  let at = from;
  let quiet = 0;
  model.heal();
  for (let round = 0; round < 60; round += 1) {
    at = later(60_000, at);
    try {
      quiet = model.pass(at) === 0 ? quiet + 1 : 0;
      if (quiet === 2) return at;
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
      model.budget = Number.POSITIVE_INFINITY;
    }
  }
  throw new Error("no rest after 60 passes");
}

function judge(model: ClusterModel): void {
  const world = model.world();
  for (const [key, guests] of world.devicesOfEndpoint)
    expect(guests.filter(holdsPlace).length, key).toBeLessThanOrEqual(10);
  const owners = [...model.devices.values()].filter(({ spec }) => !spec.suspend);
  for (const device of owners) {
    const { assignment } = device.status;
    expect(device.status.phase, `${device.metadata.name} of ${JSON.stringify(device.status.conditions[1])}`).toBe(
      "Connected",
    );
    expect(model.pods.get(`shop/${assignment?.pod ?? ""}`)?.uid).toBe(assignment?.podUID);
  }
  const records: readonly PodRecord[] = [...model.endpoints.values()].flatMap(({ status }) => status.pods);
  expect(new Set(records.map(({ name }) => name)).size).toBe(records.length);
  for (const pod of model.pods.values())
    expect(
      records.some(({ uid }) => uid === pod.uid),
      `${pod.name} is recorded`,
    ).toBe(true);
}

it("comes to rest after any history of users, nodes, pods and crashes between any two calls, with every device in one live pod", () => {
  fc.assert(
    fc.property(fc.array(move, { minLength: 1, maxLength: 14 }), (moves) => {
      const model = new ClusterModel();
      let at = now;
      for (const step of moves) {
        apply(model, step);
        try {
          at = later(1_000, at);
          model.pass(at);
        } catch (error) {
          if (!(error instanceof Crash)) throw error;
          model.budget = Number.POSITIVE_INFINITY;
        }
      }
      settle(model, at);
      judge(model);
    }),
    { numRuns: 150 },
  );
});

it("a device never leaves a usable endpoint, whatever happens to others", () => {
  fc.assert(
    fc.property(fc.array(move, { minLength: 1, maxLength: 14 }), (moves) => {
      const model = new ClusterModel();
      apply(model, { kind: "Device", name: "rock", dedicated: false, suspend: false });
      let at = settle(model, now);
      const home = model.devices.get("shop/rock")?.status.assignment?.endpoint;
      for (const step of moves) {
        apply(model, step);
        at = settle(model, at);
        expect(model.devices.get("shop/rock")?.status.assignment?.endpoint).toBe(home);
      }
    }),
    { numRuns: 60 },
  );
});
