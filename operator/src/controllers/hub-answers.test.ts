import type { WhatsAppDevice } from "@wa/schema";
import { describe, expect, it } from "vitest";
import { aDevice, anEndpoint, aPool, aRecord, aWorld } from "../../test/builders.ts";
import type { World } from "../plan/world.ts";
import { assignmentIn, budgetsIn, isOurPodIn, namedLedgersIn } from "./hub-answers.ts";

const world = aWorld({ endpoints: [anEndpoint({ status: { pods: [aRecord()] } })] });

describe("a pod is ours", () => {
  it.each([
    ["with the recorded name and UID", { namespace: "shop", name: "eu-px-0", uid: "pod-uid-1" }, "Ours"],
    ["but not with another UID", { namespace: "shop", name: "eu-px-0", uid: "pod-uid-2" }, "Foreign"],
    ["but not under another name", { namespace: "shop", name: "eu-px-1", uid: "pod-uid-1" }, "Foreign"],
    ["but not in another namespace", { namespace: "other", name: "eu-px-0", uid: "pod-uid-1" }, "Foreign"],
  ])("%s", (_case, pod, kind) => {
    expect(isOurPodIn(() => world)(pod).kind).toBe(kind);
  });
});

describe("a device is the pod's", () => {
  const assignment = { endpoint: "eu-px", pod: "eu-px-0", podUID: "p1", node: "", epoch: 1, since: "" };
  const device = aDevice({ status: { assignment } });
  const { namespace, name, uid } = device.metadata;
  it.each([
    ["that its status names", "p1", { namespace, name, uid }, "Here"],
    ["and not another pod's", "p2", { namespace, name, uid }, "Elsewhere"],
    ["and not under the UID of one before it", "p1", { namespace, name, uid: "old" }, "Unknown"],
    ["and not in another namespace", "p1", { namespace: "other", name, uid }, "Unknown"],
  ])("%s", (_case, podUid, ref, answer) => {
    expect(assignmentIn(() => aWorld({ devices: [device] }))(podUid)(ref)).toBe(answer);
  });
});

describe("a start is paid from", () => {
  const names = { ledgerOf: (subject: string) => `ledger of ${subject}`, poolCode: (pool: string) => pool };
  const budget = (world: World, heardIPs: readonly string[] = []) =>
    budgetsIn(() => world, names)("shop", "eu-px", heardIPs);

  it.each([
    ["the endpoint while no address is known", [], [], ["shop/eu-px"]],
    [
      "every address that the outside saw, and the endpoint, whose first starts came before it was known",
      ["198.51.100.1", "198.51.100.2"],
      [],
      ["shop/eu-px", "198.51.100.1", "198.51.100.2"],
    ],
    [
      "an address that a pod told and the status has not yet",
      ["198.51.100.1"],
      ["198.51.100.1", "198.51.100.3"],
      ["shop/eu-px", "198.51.100.1", "198.51.100.3"],
    ],
    [
      "no other endpoint's ledger, whatever a status of the first release holds",
      ["shop/victim-endpoint", "::ffff:198.51.100.1"],
      ["shop/other"],
      ["shop/eu-px", "198.51.100.1"],
    ],
  ])("%s", (_case, observedIPs, heardIPs, subjects) => {
    const world = aWorld({ endpoints: [anEndpoint({ status: { observedIPs } })] });
    expect(budget(world, heardIPs).draws.map(({ ledger }) => ledger)).toEqual(subjects.map(names.ledgerOf));
  });

  it("one ledger where two addresses share it", () => {
    const endpoints = [anEndpoint({ status: { observedIPs: ["2001:db8::1", "2001:db8::2"] } })];
    const sameForAll = { ...names, ledgerOf: () => "one" };
    const { draws } = budgetsIn(() => aWorld({ endpoints }), sameForAll)("shop", "eu-px", []);
    expect(new Set(draws.map(({ ledger }) => ledger))).toEqual(new Set(["one"]));
  });

  it.each([
    ["the pool's limits, in milliseconds", { count: 3, period: "2m" }, { count: 3, periodMs: 120_000 }],
    [
      "limits that a ledger can hold",
      { count: 3_000, period: "99999999999999h" },
      { count: 3_000, periodMs: 604_800_000 },
    ],
  ])("%s", (_sentence, login, expected) => {
    const pools = [aPool({ spec: { startLimits: { login } } })];
    const endpoints = [anEndpoint({})];
    expect(budget(aWorld({ pools, endpoints })).limits).toEqual({
      login: expected,
      registration: { count: 6, periodMs: 60_000 },
    });
  });

  describe("an address that another pool leaves by too", () => {
    const status = { observedIPs: ["198.51.100.1"], pods: [aRecord()] };
    const theirs = anEndpoint({ name: "us-px", metadata: { namespace: "other" }, spec: { pool: "us" }, status });
    const guest = aDevice({
      name: "bob",
      metadata: { namespace: "other" },
      status: {
        assignment: { endpoint: "us-px", pod: "us-px-0", podUID: "u", epoch: 1, since: "2026-01-01T00:00:00Z" },
      },
    });
    const us = aPool({ name: "us", metadata: { namespace: "other" }, spec: { startLimits: { login: { count: 9 } } } });
    const world = (devices: readonly WhatsAppDevice[]) =>
      aWorld({ endpoints: [anEndpoint({ status }), theirs], pools: [aPool(), us], devices });
    const sharers = (of: World) => budget(of).draws.map(({ others }) => [...others.keys()]);

    it("is shared with it, and the endpoint's own ledger is not", () => {
      expect(sharers(world([guest]))).toEqual([[], ["other/us"]]);
      expect(budget(world([guest])).draws[1]?.others.get("other/us")?.login.count).toBe(9);
    });

    it("is not shared with a pool that no device leaves by", () => {
      expect(sharers(world([]))).toEqual([[], []]);
    });
  });

  it("ledgers that are lost when they are gone: those that a status names", () => {
    const named = { observedIPs: ["198.51.100.1"], pods: [aRecord()] };
    const isNamed = (status: object) =>
      budget(aWorld({ endpoints: [anEndpoint({ status })] }), ["198.51.100.9"]).draws.map((draw) => draw.isNamed);
    expect(isNamed(named)).toEqual([true, true, false]);
    expect(isNamed({})).toEqual([false, false]);
  });
});

it("no ledger is removed that an endpoint's status names, nor an endpoint's own", () => {
  const endpoints = [anEndpoint({ status: { observedIPs: ["198.51.100.1"] } })];
  const named = namedLedgersIn(
    () => aWorld({ endpoints }),
    (subject) => subject,
  );
  expect(named()).toEqual(new Set(["shop/eu-px", "198.51.100.1"]));
});
