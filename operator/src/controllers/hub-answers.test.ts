import { describe, expect, it } from "vitest";
import { anEndpoint, aPool, aRecord, aWorld } from "../../test/builders.ts";
import { budgetsIn, isOurPodIn } from "./hub-answers.ts";

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

describe("a start is paid from", () => {
  const named = (subject: string) => `ledger of ${subject}`;
  it.each([
    ["the endpoint while no address is known", [], ["ledger of shop/eu-px"]],
    [
      "every address that the outside saw",
      ["198.51.100.1", "198.51.100.2"],
      ["ledger of 198.51.100.1", "ledger of 198.51.100.2"],
    ],
  ])("%s", (_case, observedIPs, ledgers) => {
    const endpoints = [anEndpoint({ status: { observedIPs } })];
    expect(budgetsIn(() => aWorld({ endpoints }), named)("shop", "eu-px").ledgers).toEqual(ledgers);
  });

  it("the pool's limits, in milliseconds", () => {
    const pools = [aPool({ spec: { startLimits: { login: { count: 3, period: "2m" } } } })];
    expect(budgetsIn(() => aWorld({ pools }), named)("shop", "eu-px").limits).toEqual({
      login: { count: 3, periodMs: 120_000 },
      registration: { count: 6, periodMs: 60_000 },
    });
  });
});
