import { expect, it } from "vitest";
import { isOlderVersion } from "./object.ts";

it.each([
  ["9", "10", true],
  ["10", "9", false],
  ["10", "10", false],
  ["18446744073709551614", "18446744073709551615", true],
  ["odd", "10", false],
  ["10", "odd", false],
])("version %s is older than %s: %s", (version, than, isOlder) => {
  expect(isOlderVersion(version, than)).toBe(isOlder);
});
