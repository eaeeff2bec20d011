import fc from "fast-check";
import { expect, it } from "vitest";
import { maxEpoch, maxEpochLead, nextEpoch } from "./epoch.ts";

it("whatever epochs a pod says are stored, the next one stays within the bound and any honest row below it can be claimed", () => {
  const told = fc.array(fc.option(fc.integer({ min: 0, max: maxEpoch }), { nil: undefined }));
  fc.assert(
    fc.property(fc.integer({ min: 0, max: maxEpoch }), told, (row, words) => {
      let own = 0;
      for (const stored of words) own = nextEpoch(own, stored);
      const refused = nextEpoch(own, row);
      const isClaimable = (epoch: number) => row < epoch || row > epoch + maxEpochLead;
      expect(refused).toBeLessThanOrEqual(maxEpoch);
      expect(isClaimable(refused) || isClaimable(nextEpoch(refused, row))).toBe(true);
    }),
  );
});
