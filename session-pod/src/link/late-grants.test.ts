import { grantTiming, type Grant } from "@wa/schema";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { onArrival } from "./late-grants.ts";

const { validForMs, mostOnTheWayMs } = grantTiming;
const device = { namespace: "shop", name: "till", uid: "u" };
const grant: Grant = { device, bucket: "login", nonce: "n", startInMs: 1_000, validForMs };

describe("a grant", () => {
  it.each([
    ["that came at once is good for as long as it says", 5, validForMs],
    ["is good for as long as it says while its way is allowed for", mostOnTheWayMs, validForMs],
    ["loses what its way may have taken beyond that", mostOnTheWayMs + 1_500, validForMs - 1_500],
    ["is void when it may have been on its way for half a minute", 30_000, validForMs - 26_000],
  ])("%s", (_sentence, ageMs, left) => {
    expect(onArrival(grant, ageMs)).toEqual({ ...grant, validForMs: left });
  });

  it("is never used later than the ledgers count with, whenever it was sent since the ping", () => {
    fc.assert(
      fc.property(fc.nat(60_000), fc.nat(60_000), fc.nat(100_000), (ageMs, sentAfterPingMs, startInMs) => {
        const wayMs = Math.max(0, ageMs - sentAfterPingMs);
        const left = onArrival({ ...grant, startInMs }, ageMs).validForMs;
        if (left < 0) return;
        const latestUseAfterDueMs = wayMs + left;
        expect(latestUseAfterDueMs).toBeLessThanOrEqual(validForMs + mostOnTheWayMs);
      }),
    );
  });
});
