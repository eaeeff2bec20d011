import { expect, it } from "vitest";
import { Crowd } from "./crowd.ts";

function crowdOf(limits: { readonly most: number; readonly mostOfGroup: number }) {
  const out: string[] = [];
  const crowd = new Crowd<string>(limits);
  const come = (key: string, group: string) => crowd.add(key, { group, onOut: () => out.push(key) });
  return { crowd, out, come };
}

it("a group that is full loses its oldest to its newest, and nobody else's", () => {
  const { crowd, out, come } = crowdOf({ most: 10, mostOfGroup: 2 });
  come("b1", "b");
  for (const key of ["a1", "a2", "a3", "a4"]) come(key, "a");
  expect(out).toEqual(["a1", "a2"]);
  expect(crowd.keys()).toEqual(["b1", "a3", "a4"]);
});

it("where all together are too many, the largest group pays, whoever comes", () => {
  const { crowd, out, come } = crowdOf({ most: 4, mostOfGroup: 4 });
  for (const key of ["a1", "a2", "a3"]) come(key, "a");
  come("b1", "b");
  come("c1", "c");
  expect(out).toEqual(["a1"]);
  expect(crowd.size).toBe(4);
});

it("who has left is not pushed out, and whoever comes twice counts once", () => {
  const { crowd, out, come } = crowdOf({ most: 2, mostOfGroup: 2 });
  come("a1", "a");
  come("a1", "a");
  come("a2", "a");
  expect(crowd.remove("a1")).toBe(true);
  expect(crowd.remove("a1")).toBe(false);
  come("a3", "a");
  expect(out).toEqual([]);
});
