import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Director } from "./director.ts";
import { isOlder, matchRule, type Moment } from "./match.ts";
import { Rule, Scenario } from "./scenario.ts";
import type { z } from "zod";

const rule = (fields: Partial<z.input<typeof Rule>>): Rule =>
  Rule.parse({ stage: "finish", action: { kind: "close" }, ...fields });

const login: Moment = { stage: "finish", source: "10.0.0.1", phone: "4915550001", registration: false };
const query: Moment = {
  ...login,
  stage: "iq",
  xmlns: "passive",
  child: "active",
  childAttrs: { stage: "one", a: "b" },
};
const message: Moment = { ...login, stage: "message", to: "4915550009" };

describe("a rule is for", () => {
  it.each([
    ["every start when it names nothing else", rule({}), login, true],
    ["its own stage alone", rule({ stage: "hello" }), login, false],
    ["its own sources", rule({ sources: ["10.0.0.2", "10.0.0.1"] }), login, true],
    ["no other sources", rule({ sources: ["10.0.0.2"] }), login, false],
    ["its own phone", rule({ phone: "4915550001" }), login, true],
    ["no other phone", rule({ phone: "4915550002" }), login, false],
    ["no phone that is not known yet", rule({ phone: "4915550001" }), { ...login, phone: undefined }, false],
    ["registrations alone", rule({ registration: true }), login, false],
    ["logins alone", rule({ registration: false }), login, true],
    ["a query of its namespace", rule({ stage: "iq", xmlns: "passive" }), query, true],
    ["a query of its namespace and child", rule({ stage: "iq", xmlns: "passive", child: "passive" }), query, false],
    ["a query whose child has its attributes", rule({ stage: "iq", childAttrs: { stage: "one" } }), query, true],
    ["no query whose child has others", rule({ stage: "iq", childAttrs: { stage: "one", a: "c" } }), query, false],
    ["a message to its account", rule({ stage: "message", to: "4915550009" }), message, true],
    ["no message to another", rule({ stage: "message", to: "4915550008" }), message, false],
  ] as const)("%s", (_sentence, one, moment, isFor) => {
    expect(matchRule([one], moment, new Map())).toBe(isFor ? 0 : undefined);
  });
});

describe("of several rules", () => {
  const rules = [rule({ times: 2 }), rule({ stage: "hello" }), rule({ times: 1 })];

  it("the first that is not used up applies", () => {
    expect(matchRule(rules, login, new Map())).toBe(0);
    expect(matchRule(rules, login, new Map([[0, 2]]))).toBe(2);
    const spent = new Map([
      [0, 2],
      [2, 1],
    ]);
    expect(matchRule(rules, login, spent)).toBeUndefined();
  });

  it("each applies as often as it says, and no more", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 8 }), (times) => {
        const director = new Director();
        director.replace(Scenario.parse({ rules: times.map((count) => rule({ times: count })) }));
        const sum = times.reduce((total, count) => total + count, 0);
        const taken = Array.from({ length: sum + 3 }, () => director.take(login)).filter((one) => one !== undefined);
        expect(taken.length).toBe(sum);
        expect(Object.values(director.uses())).toEqual(times);
      }),
    );
  });
});

describe("the rules of one account", () => {
  const director = new Director();
  director.replace(Scenario.parse({ rules: [rule({ action: { kind: "reset" } })] }));
  director.replaceFor("4915550001", { rules: [rule({ times: 1 })] });

  it("come before everybody's, leave other accounts alone, and are cleared alone", () => {
    expect(director.take({ ...login, phone: "4915550002" })?.action.kind).toBe("reset");
    expect(director.take(login)?.action.kind).toBe("close");
    expect(director.take(login)?.action.kind).toBe("reset");
    expect(director.uses()).toEqual({ "rules[0]": 2, "4915550001.rules[0]": 1 });
    director.clear("4915550001");
    expect(director.uses()).toEqual({ "rules[0]": 2 });
    director.clear();
    expect(director.take(login)).toBeUndefined();
  });
});

describe("a version", () => {
  it.each([
    ["2.3000.1", "2.3000.2", true],
    ["2.3000.10", "2.3000.9", false],
    ["2.2999.99", "2.3000.0", true],
    ["3.0.0", "2.3000.0", false],
    ["2.3000.1", "2.3000.1", false],
  ])("%s is below %s: %s", (version, than, expected) => {
    expect(isOlder(version, than)).toBe(expected);
  });
});
