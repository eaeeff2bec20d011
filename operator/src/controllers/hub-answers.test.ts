import { describe, expect, it } from "vitest";
import { aDevice, anEndpoint, aPool, aRecord, aWorld } from "../../test/builders.ts";
import { assignmentIn, budgetsIn, isOurPodIn } from "./hub-answers.ts";

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
  const named = (subject: string) => `ledger of ${subject}`;
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
  ])("%s", (_case, observedIPs, heardIPs, subjects) => {
    const endpoints = [anEndpoint({ status: { observedIPs } })];
    const { ledgers } = budgetsIn(() => aWorld({ endpoints }), named)("shop", "eu-px", heardIPs);
    expect(ledgers).toEqual(subjects.map(named));
  });

  it("one ledger where two addresses share it", () => {
    const endpoints = [anEndpoint({ status: { observedIPs: ["2001:db8::1", "2001:db8::2"] } })];
    const sameForAll = () => "one";
    expect(budgetsIn(() => aWorld({ endpoints }), sameForAll)("shop", "eu-px", []).ledgers).toEqual(["one"]);
  });

  it("the pool's limits, in milliseconds", () => {
    const pools = [aPool({ spec: { startLimits: { login: { count: 3, period: "2m" } } } })];
    expect(budgetsIn(() => aWorld({ pools }), named)("shop", "eu-px", []).limits).toEqual({
      login: { count: 3, periodMs: 120_000 },
      registration: { count: 6, periodMs: 60_000 },
    });
  });
});
