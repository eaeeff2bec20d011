import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { noSelfGrants, planSelfGrants, type SelfGrants, type Waiting } from "./self-grants.ts";

const startMs = 1_000_000;
const waiting = (uid: string, bucket: Waiting["bucket"] = "login"): Waiting => ({
  device: { namespace: "shop", name: uid, uid },
  bucket,
});
const plan = (before: SelfGrants, nowMs: number, queue: readonly Waiting[], isLeaderless = true) =>
  planSelfGrants(before, { queue, isLeaderless, nowMs, random: () => 0.5 });

describe("a pod without a leader", () => {
  it("starts a linked device after its random wait", () => {
    const first = plan(noSelfGrants, startMs, [waiting("a")]);
    expect(first.starts).toEqual([]);
    expect(plan(first.next, startMs + 7_499, [waiting("a")]).starts).toEqual([]);
    expect(plan(first.next, startMs + 7_500, [waiting("a")]).starts).toEqual([waiting("a")]);
  });

  it.each(["registration", "restart"] as const)("leaves a %s alone", (bucket) => {
    const first = plan(noSelfGrants, startMs, [waiting("a", bucket)]);
    expect(plan(first.next, startMs + 3_600_000, [waiting("a", bucket)]).starts).toEqual([]);
  });

  it("leaves the decision to a leader that comes back before the start", () => {
    const first = plan(noSelfGrants, startMs, [waiting("a")]);
    const led = plan(first.next, startMs + 7_500, [waiting("a")], false);
    expect(led).toEqual({ next: noSelfGrants, starts: [] });
  });

  it("forgets who left the queue", () => {
    const first = plan(noSelfGrants, startMs, [waiting("a")]);
    expect(plan(first.next, startMs + 7_500, []).next.dueMs).toEqual({});
  });

  it("never starts a device twice within ten minutes, whatever happens", () => {
    const tick = fc.record({
      passMs: fc.integer({ min: 0, max: 400_000 }),
      isLeaderless: fc.boolean(),
      queue: fc.subarray(["a", "b", "c"]),
      random: fc.double({ min: 0, max: 0.999, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(tick, { maxLength: 60 }), (ticks) => {
        const lastMs = new Map<string, number>();
        let [memory, nowMs] = [noSelfGrants, startMs];
        for (const { passMs, isLeaderless, queue, random } of ticks) {
          nowMs += passMs;
          const { next, starts } = planSelfGrants(memory, {
            queue: queue.map((uid) => waiting(uid)),
            isLeaderless,
            nowMs,
            random: () => random,
          });
          memory = next;
          for (const { device } of starts) {
            expect(isLeaderless).toBe(true);
            expect(nowMs - (lastMs.get(device.uid) ?? -Infinity)).toBeGreaterThanOrEqual(600_000);
            lastMs.set(device.uid, nowMs);
          }
        }
      }),
    );
  });
});
