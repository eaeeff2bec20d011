import { BaseSequencer, type TestSpecification } from "vitest/node";

/**
 * Files that take longest, in that order. A fresh clone has no durations of earlier runs and would start the largest files
 * first; these are small, wait for real deadlines, and would each run alone at the end.
 */
const longest = [
  "random-kills",
  "durability",
  "ownership",
  "link-outage",
  "store-outages",
  "churn",
  "whole-faults",
  "reflector-faults",
  "whole",
  "lost-answers",
  "controllers",
];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => rankOf(a) - rankOf(b));
  }
}

function rankOf({ moduleId }: TestSpecification): number {
  const rank = longest.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`));
  return rank === -1 ? longest.length : rank;
}
