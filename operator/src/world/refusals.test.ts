import { expect, it } from "vitest";
import { Refusals } from "./refusals.ts";

const no = (message: string, isFinal = false) => ({ verb: "create", message, isFinal }) as const;
const key = "Pod shop/eu-px-0";

it("tells a refusal of what was asked at once, and no longer once the act is done", () => {
  const refusals = new Refusals();
  expect(refusals.answered(key, no("forbidden", true), 0)).toBe(true);
  expect(refusals.answered(key, no("forbidden", true), 1)).toBe(false);
  expect(refusals.standing.get(key)).toEqual({ verb: "create", message: "forbidden" });
  expect(refusals.answered(key, undefined, 2)).toBe(true);
  expect(refusals.standing.size).toBe(0);
});

it("tells a failure of the API server once it stays, and not for a hiccup however often it is met", () => {
  const refusals = new Refusals();
  for (let nowMs = 0; nowMs < 4_900; nowMs += 100) expect(refusals.answered(key, no("webhook"), nowMs)).toBe(false);
  expect(refusals.answered(key, no("webhook"), 5_000)).toBe(true);
  expect(refusals.standing.has(key)).toBe(true);
});

it("does not tell two failures that a long time lies between, each followed by a success", () => {
  const refusals = new Refusals();
  for (let turn = 0; turn < 9; turn += 1) {
    expect(refusals.answered(key, no("etcd"), turn * 60_000)).toBe(false);
    expect(refusals.answered(key, undefined, turn * 60_000 + 10)).toBe(false);
  }
});

it("is news when other words come, and keeps the last while a passing failure follows a final one", () => {
  const refusals = new Refusals();
  refusals.answered(key, no("quota", true), 0);
  expect(refusals.answered(key, no("timeout"), 10)).toBe(true);
  expect(refusals.standing.get(key)?.message).toBe("timeout");
});

it("forgets what nobody tries any more", () => {
  const refusals = new Refusals();
  refusals.answered(key, no("quota", true), 0);
  refusals.answered("Pod shop/other", no("quota", true), 16 * 60_000);
  expect([...refusals.standing.keys()]).toEqual(["Pod shop/other"]);
});
