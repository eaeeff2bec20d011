import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, it } from "vitest";
import { Turns } from "./turns.ts";

it("two that bring work take turns, however much the first one brings", async () => {
  const turns = new Turns();
  const done: string[] = [];
  const bringer = (name: string, pieces: number) => () => {
    done.push(name);
    pieces -= 1;
    return pieces > 0;
  };
  turns.add(bringer("a", 3));
  turns.add(bringer("b", 1));
  await nextTurn();
  await nextTurn();
  expect(done).toEqual(["a", "b", "a", "a"]);
});

it("the event loop goes on between pieces that take long", async () => {
  const turns = new Turns();
  let pieces = 20;
  let others = 0;
  turns.add(() => {
    const untilMs = performance.now() + 12;
    while (performance.now() < untilMs);
    pieces -= 1;
    return pieces > 0;
  });
  while (pieces > 0) {
    await nextTurn();
    others += 1;
  }
  expect(others).toBeGreaterThanOrEqual(19);
});
