import { longestPeriodMs, mostStarts } from "@wa/schema";
import { describe, expect, it } from "vitest";
import { asTold, newChargeId, worthTelling, type Charge } from "./charges.ts";

const device = { namespace: "shop", name: "till", uid: "u" };
const now = { dateMs: Date.UTC(2026, 10, 27), uptimeMs: 100_000 };
const charge = (over: Partial<Charge>): Charge => ({ device, bucket: "login", atMs: now.dateMs, id: "c", ...over });

describe("a start that was made without a leader", () => {
  it.each([
    ["is as old as this process knows", { uptimeMs: 40_000 }, 60_000],
    ["is not made older by a clock that stepped ahead", { uptimeMs: 40_000, atMs: now.dateMs - 999_000 }, 60_000],
    ["of the process before is as old as the clock says", { atMs: now.dateMs - 90_000 }, 90_000],
    ["that seems to lie ahead was made just now", { atMs: now.dateMs + 90_000 }, 0],
  ])("%s", (_sentence, over, agoMs) => {
    expect(asTold(charge(over), now)).toEqual({ device, bucket: "login", agoMs, id: "c" });
  });

  it("is told as long as any limit could count it", () => {
    const old = charge({ atMs: now.dateMs - longestPeriodMs - 1, id: "old" });
    expect(worthTelling([old, charge({})], now).map(({ id }) => id)).toEqual(["c"]);
  });

  it("is not told when a limit's worth of newer ones is, however long no leader answered", () => {
    const many = Array.from({ length: 500 * 6 * 12 }, (_none, place) => charge({ id: String(place) }));
    const told = worthTelling(many, now);
    expect(told).toHaveLength(mostStarts);
    expect(told.at(-1)?.id).toBe(String(many.length - 1));
    expect(JSON.stringify(told.map((one) => asTold(one, now))).length).toBeLessThan(1024 * 1024);
  });

  it("has an id of its own, which the link takes", () => {
    expect(newChargeId()).not.toBe(newChargeId());
    expect(newChargeId().length).toBeLessThanOrEqual(32);
  });
});
