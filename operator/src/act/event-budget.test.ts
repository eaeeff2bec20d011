import { expect, it } from "vitest";
import { EventBudget, type EventFacts } from "./event-budget.ts";

const fact = (message: string, about = "uid-1"): EventFacts => ({ about, type: "Normal", reason: "Same", message });
const minuteMs = 60_000;

function countCreates(budget: EventBudget, tries: number, nowMs: number, about = "uid-1"): number {
  return Array.from({ length: tries }, (_, index) => budget.decide(fact(`${nowMs} ${index}`, about), nowMs)).filter(
    ({ kind }) => kind === "Create",
  ).length;
}

it("lets an object make 25 Events at once, then one every five minutes", () => {
  const budget = new EventBudget();
  expect(countCreates(budget, 40, 0)).toBe(25);
  expect(countCreates(budget, 40, 4 * minuteMs)).toBe(0);
  expect(countCreates(budget, 40, 11 * minuteMs)).toBe(2);
  expect(countCreates(budget, 40, 1_000 * minuteMs)).toBe(25);
});

it("does not let one object spend another's", () => {
  const budget = new EventBudget();
  countCreates(budget, 40, 0);
  expect(countCreates(budget, 40, 0, "uid-2")).toBe(25);
});

it("counts the same Event in a series until it pauses for six minutes", () => {
  const budget = new EventBudget();
  expect(budget.decide(fact("a"), 0)).toEqual({ kind: "Create" });
  budget.created(fact("a"), "one.1", 0);
  expect(budget.decide(fact("a"), minuteMs)).toEqual({ kind: "Repeat", eventName: "one.1", count: 2 });
  expect(budget.decide(fact("b"), minuteMs)).toEqual({ kind: "Create" });
  expect(budget.decide(fact("a"), 2 * minuteMs)).toEqual({ kind: "Repeat", eventName: "one.1", count: 3 });
  expect(budget.decide(fact("a"), 9 * minuteMs)).toEqual({ kind: "Create" });
});
