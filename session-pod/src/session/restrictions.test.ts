import { describe, expect, it } from "vitest";
import { reportedRestriction as reported, restricted, restrictionDue, unrestricted } from "./restrictions.ts";
import type { SessionState } from "./state.ts";
import { connected } from "../../test/driven.ts";

const nowMs = Date.UTC(2026, 10, 27);
const at = (ms: number) => ({ nowMs: nowMs + ms, uptimeMs: 0, random: 0 });
const [minute, day] = [60_000, 86_400_000];
const fresh: SessionState = connected().state;
const lock = (untilMs?: number) => ({ kind: "restricted", as: "ReachoutTimelock", untilMs }) as const;
const refusal = { kind: "restricted", as: "NewChatsRefused" } as const;
const told = (state: SessionState) => reported(state).restriction;
const iso = (ms: number): string => new Date(nowMs + ms).toISOString();

describe("a restriction of the account", () => {
  it("is told with its end, and is over then", () => {
    const [state, effects] = restricted(fresh, lock(nowMs + minute), at(0));
    expect(told(state)).toEqual({ kind: "ReachoutTimelock", since: iso(0), until: iso(minute) });
    expect(effects).toEqual([{ kind: "endRestrictionIn", delayMs: minute }]);
    const [early, again] = restrictionDue(state, at(minute - 1));
    expect([early.restriction?.kind, again]).toEqual(["ReachoutTimelock", [{ kind: "endRestrictionIn", delayMs: 1 }]]);
    expect(told(restrictionDue(state, at(minute))[0])).toEqual({ kind: "None", since: iso(minute) });
  });

  it.each([
    ["no end", undefined],
    ["an end that is no number", Number.NaN],
    ["an end in the past", nowMs - 1],
    ["an end beyond the calendar", 9e15],
    ["an endless one", Infinity],
  ])("with %s is forgotten a day after it was last heard of", (_words, untilMs) => {
    const [state] = restricted(fresh, lock(untilMs), at(0));
    expect(told(state)).toEqual({ kind: "ReachoutTimelock", since: iso(0) });
    const [later] = restricted(state, lock(untilMs), at(day / 2));
    expect(told(later)).toEqual({ kind: "ReachoutTimelock", since: iso(0) });
    expect(restrictionDue(later, at(day))[0].restriction?.kind).toBe("ReachoutTimelock");
    expect(restrictionDue(later, at(1.5 * day))[0].restriction?.kind).toBe("None");
  });

  it("keeps its end when a text is refused meanwhile, and gives way to a refusal afterwards", () => {
    const [state] = restricted(fresh, lock(nowMs + minute), at(0));
    expect(restricted(state, refusal, at(1))).toEqual([state, []]);
    expect(restricted(state, refusal, at(minute))[0].restriction).toMatchObject({ kind: "NewChatsRefused" });
  });

  it("is over when the server says so", () => {
    const [state] = restricted(fresh, refusal, at(0));
    expect(told(unrestricted(state, at(5))[0])).toEqual({ kind: "None", since: iso(5) });
    expect(restrictionDue(fresh, at(0))).toEqual([fresh, []]);
  });
});
