import { expect, it } from "vitest";
import { isEntitled, isStoreAsked } from "./entitlement.ts";

it.each([
  ["link and store spoke just now", 0, 0, true],
  ["the link is silent, the store speaks", 60_000, 4_000, true],
  ["the store is silent, the link speaks", 4_000, 600_000, true],
  ["both are silent, not for long enough", 29_999, 29_999, true],
  ["both are silent for half a minute", 30_000, 30_000, false],
])("%s: entitled %#", (_words, linkSilentMs, storeSilentMs, isSo) => {
  const nowMs = 1_000_000;
  expect(isEntitled({ linkMs: nowMs - linkSilentMs, storeMs: nowMs - storeSilentMs }, nowMs)).toBe(isSo);
});

it.each([
  ["a link that spoke a moment ago", 9_999, false],
  ["a link that is down", 10_000, true],
])("the store is asked in place of %s: %s ms", (_words, silentMs, isSo) => {
  expect(isStoreAsked({ linkMs: 0 }, silentMs)).toBe(isSo);
});
