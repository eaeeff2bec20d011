import fc from "fast-check";
import { expect, it } from "vitest";
import { QueueState, type Priority } from "./queue-state.ts";

/** The same promises written as slowly and plainly as possible. */
class Model {
  ready: { key: string; priority: Priority }[] = [];
  later: { key: string; priority: Priority }[] = [];
  processing: string[] = [];
  waiting: { key: string; readyAtMs: number }[] = [];

  add(key: string, priority: Priority): void {
    const place = this.processing.includes(key) ? this.later : this.ready;
    const known = place.find((item) => item.key === key);
    if (known !== undefined && (known.priority === priority || priority === "Low")) return;
    const rest = place.filter((item) => item.key !== key);
    place.splice(0, place.length, ...rest, { key, priority });
  }

  take(): string | undefined {
    const next = this.ready.find(({ priority }) => priority === "Normal") ?? this.ready[0];
    if (next === undefined) return undefined;
    this.ready = this.ready.filter((item) => item !== next);
    this.processing.push(next.key);
    return next.key;
  }

  done(key: string): void {
    if (!this.processing.includes(key)) return;
    this.processing = this.processing.filter((item) => item !== key);
    const again = this.later.find((item) => item.key === key);
    this.later = this.later.filter((item) => item.key !== key);
    if (again !== undefined) this.ready.push(again);
  }

  addAt(key: string, readyAtMs: number): void {
    const known = this.waiting.find((item) => item.key === key);
    if (known !== undefined && known.readyAtMs <= readyAtMs) return;
    this.waiting = [...this.waiting.filter((item) => item.key !== key), { key, readyAtMs }];
  }

  promote(nowMs: number): void {
    const due = this.waiting.filter(({ readyAtMs }) => readyAtMs <= nowMs);
    this.waiting = this.waiting.filter(({ readyAtMs }) => readyAtMs > nowMs);
    for (const { key } of due.toSorted((a, b) => a.readyAtMs - b.readyAtMs)) this.add(key, "Normal");
  }
}

const key = fc.constantFrom("a", "b", "c", "d");
const step = fc.oneof(
  fc.record({ do: fc.constant("add" as const), key, priority: fc.constantFrom<Priority>("Normal", "Low") }),
  fc.record({ do: fc.constant("take" as const) }),
  fc.record({ do: fc.constant("done" as const), key }),
  fc.record({ do: fc.constant("addAt" as const), key, offset: fc.nat(1_000) }),
  fc.record({ do: fc.constant("promote" as const), toMs: fc.nat(100) }),
);

it("does what the model does, whatever happens in whatever order", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const queue = new QueueState();
      const model = new Model();
      let sequence = 0;
      for (const next of steps) {
        sequence += 1;
        if (next.do === "add") {
          queue.add(next.key, next.priority);
          model.add(next.key, next.priority);
        } else if (next.do === "take") expect(queue.take()).toBe(model.take());
        else if (next.do === "done") {
          queue.done(next.key);
          model.done(next.key);
        } else if (next.do === "addAt") {
          // Times that differ, because equal ones have no order to check.
          const atMs = (next.offset % 100) + sequence / 1_000;
          queue.addAt(next.key, atMs);
          model.addAt(next.key, atMs);
        } else {
          queue.promote(next.toMs);
          model.promote(next.toMs);
        }
        expect(queue.depth).toBe(model.ready.length);
        expect(queue.nextReadyAtMs ?? Infinity).toBeLessThanOrEqual(
          Math.min(...model.waiting.map(({ readyAtMs }) => readyAtMs)),
        );
      }
    }),
    { numRuns: 2_000 },
  );
});

it("loses no key: each one added after it was taken is taken again", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(key, fc.boolean()), { maxLength: 40 }), (adds) => {
      const queue = new QueueState();
      const unseen = new Set<string>();
      for (const [added, takeNow] of adds) {
        queue.add(added, "Low");
        unseen.add(added);
        const taken = takeNow ? queue.take() : undefined;
        if (taken === undefined) continue;
        unseen.delete(taken);
        queue.done(taken);
      }
      for (let taken = queue.take(); taken !== undefined; taken = queue.take()) unseen.delete(taken);
      expect(unseen).toEqual(new Set());
    }),
  );
});

it("serves what changed before what a list said, each in its order", () => {
  const queue = new QueueState();
  for (const listed of ["l1", "l2", "l3"]) queue.add(listed, "Low");
  for (const changed of ["n1", "l2", "n2"]) queue.add(changed, "Normal");
  const taken = Array.from({ length: 6 }, () => queue.take());
  expect(taken).toEqual(["n1", "l2", "n2", "l1", "l3", undefined]);
});
