import { maxEpoch, mostStarts } from "@wa/schema";
import { expect, it } from "vitest";
import { aDevice, aPool, assignment } from "../../test/builders.ts";
import { deviceKind, poolKind } from "./kinds.ts";

it.each([
  [
    "that an earlier release took counts with what a ledger holds",
    { login: { count: 10_000, period: "30s" } },
    mostStarts,
  ],
  ["within bounds stays as it is", { login: { count: 7, period: "30s" } }, 7],
  ["that is left out is the default", { registration: { count: 9_999 } }, 30],
])("a start limit %s", (_sentence, startLimits, count) => {
  const { metadata, spec } = aPool();
  const { login } = poolKind.parse({ metadata, spec: { ...spec, startLimits } }).spec.startLimits;
  expect(login.count).toBe(count);
});

it("what is no start limit is refused, not mended", () => {
  const { metadata, spec } = aPool();
  expect(() => poolKind.parse({ metadata, spec: { ...spec, startLimits: { login: { count: "many" } } } })).toThrow(
    /count/,
  );
});

it.each([2 ** 31 - 1, 2 ** 53])("a device whose status holds the epoch %d stays in sight", (epoch) => {
  const status = { assignment: { ...assignment(), epoch } };
  expect(deviceKind.parse({ ...aDevice(), status }).status.assignment?.epoch).toBe(maxEpoch);
});
