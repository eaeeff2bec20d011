import { expect, it } from "vitest";
import { mostWithin } from "./starts.ts";

it.each([
  ["no start at all", [], 10, 0],
  ["one", [5], 10, 1],
  ["two in one window, in any order", [9, 0], 10, 2],
  ["a window ends before its length", [0, 10], 10, 1],
  ["the fullest window in the middle", [0, 20, 21, 29, 45], 10, 3],
])("%s", (_, timesMs, periodMs, most) => {
  expect(mostWithin(timesMs, periodMs)).toBe(most);
});
