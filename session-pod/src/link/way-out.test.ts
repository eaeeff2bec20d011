import { ObservedAddress } from "@wa/schema";
import { describe, expect, it } from "vitest";
import { blockingProblem, egressFrame, isMeasurementDue, unknownWayOut, withEchoUrls, type WayOut } from "./way-out.ts";

const missing = { reason: "ProxySecretMissing" as const, message: "the proxy's Secret does not exist" };
const echoUrls = ["http://echo.example/ip"];
const measured: WayOut = { echoUrls, measured: { atMs: 0 }, observedIP: ObservedAddress.parse("192.0.2.1") };
const failed: WayOut = { ...measured, measured: { atMs: 0, failure: "no echo address answered" } };

describe("a measurement of the address", () => {
  it.each([
    ["is not due without echo addresses", unknownWayOut, 0, false],
    ["is due as soon as there are some", { echoUrls }, 0, true],
    ["waits for the proxy's Secret", { echoUrls, missing }, 0, false],
    ["is not due again soon", measured, 599_999, false],
    ["is due again after ten minutes", measured, 600_000, true],
    ["is not repeated at once after a failure", failed, 9_999, false],
    ["is repeated after ten seconds after a failure", failed, 10_000, true],
  ])("%s", (_what, wayOut, nowMs, isDue) => {
    expect(isMeasurementDue(wayOut, nowMs)).toBe(isDue);
  });
});

describe("starts", () => {
  it.each([
    ["are free without echo addresses", unknownWayOut, undefined],
    ["wait for the proxy's Secret", { echoUrls: [], missing }, "ProxySecretMissing"],
    ["wait for the first measurement", { echoUrls }, "MeasuringAddress"],
    ["are free once the address is known", measured, undefined],
    ["are free when no echo answers", failed, undefined],
  ])("%s", (_what, wayOut, reason) => {
    expect(blockingProblem(wayOut)?.reason).toBe(reason);
  });
});

describe("the frame about the way out", () => {
  it.each([
    ["knows nothing at first", unknownWayOut, { kind: "egress", observedIPs: [] }],
    ["names the address", measured, { kind: "egress", observedIPs: ["192.0.2.1"] }],
    ["names what is missing", { echoUrls, missing }, { kind: "egress", observedIPs: [], problem: missing }],
    [
      "keeps the last known address when the echo fails",
      failed,
      {
        kind: "egress",
        observedIPs: ["192.0.2.1"],
        problem: { reason: "EchoFailed", message: "no echo address answered" },
      },
    ],
  ])("%s", (_what, wayOut, frame) => {
    expect(egressFrame(wayOut)).toEqual(frame);
  });
});

describe("other echo addresses", () => {
  it("make the address of before count no more", () => {
    expect(withEchoUrls(measured, ["http://other.example/ip"])).toEqual({ echoUrls: ["http://other.example/ip"] });
  });
  it("keep what is missing", () => {
    expect(withEchoUrls({ echoUrls: [], missing }, echoUrls)).toEqual({ echoUrls, missing });
  });
  it("change nothing when they are the same", () => {
    expect(withEchoUrls(measured, [...echoUrls])).toBe(measured);
  });
});
