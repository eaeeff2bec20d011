import { expect, it } from "vitest";
import { aLinkedWorld, aReport, assignment, now } from "../../test/builders.ts";
import { running } from "../../test/planned-device.ts";
import { planDevice } from "./device.ts";

it.each([
  ["one step above its own when the stored one is beyond belief", 1, 2 ** 31 - 2, 2],
  ["at 1 again after the last", 2 ** 31 - 2, undefined, 1],
  ["at 1 again above a stored last one that can be believed", 2 ** 31 - 5, 2 ** 31 - 2, 1],
])("the epoch rises %s", (_case, epoch, storedEpoch, next) => {
  const device = running({ status: { assignment: assignment({ epoch }) } });
  const world = aLinkedWorld(device, aReport(device, "ClaimRefused", { epoch, storedEpoch }));
  expect(planDevice(device, world, now).status?.assignment?.epoch).toBe(next);
});
