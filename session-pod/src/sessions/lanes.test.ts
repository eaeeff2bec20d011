import { setImmediate as turn } from "node:timers/promises";
import { expect, it } from "vitest";
import { Lanes } from "./lanes.ts";

/** Work that ends when it is told to, and a memory of what began. */
function workshop(most: number) {
  const lanes = new Lanes(most);
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  return {
    begun,
    run: (key: string, name: string): void =>
      lanes.run(key, async () => {
        begun.push(name);
        await new Promise<void>((resolve) => ends.set(name, resolve));
      }),
    end: async (name: string): Promise<void> => {
      ends.get(name)?.();
      await turn();
    },
  };
}

it("one that is slow holds up those of its key alone", async () => {
  const { begun, run, end } = workshop(2);
  run("a", "a1");
  run("a", "a2");
  run("b", "b1");
  run("c", "c1");
  await turn();
  expect(begun).toEqual(["a1", "b1"]);
  await end("b1");
  expect(begun).toEqual(["a1", "b1", "c1"]);
  await end("c1");
  run("d", "d1");
  await turn();
  expect(begun).toEqual(["a1", "b1", "c1", "d1"]);
  await end("a1");
  expect(begun.at(-1)).toBe("a2");
});

it("no more than so many run at a time, however many come", async () => {
  const { begun, run, end } = workshop(3);
  for (let number = 0; number < 20; number += 1) run(`key ${number}`, `work ${number}`);
  await turn();
  expect(begun).toHaveLength(3);
  for (let ended = 0; ended < 20; ended += 1) {
    await end(`work ${ended}`);
    expect(begun).toHaveLength(Math.min(20, ended + 4));
  }
});
