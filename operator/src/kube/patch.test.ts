import fc from "fast-check";
import { expect, it } from "vitest";
import { isSame, mergePatchBetween } from "./patch.ts";

/** RFC 7386, section 2. */
function applied(target: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const base = typeof target === "object" && target !== null && !Array.isArray(target) ? target : {};
  const result: Record<string, unknown> = { ...base };
  for (const [field, value] of Object.entries(patch)) {
    if (value === null) delete result[field];
    else result[field] = applied(result[field], value);
  }
  return result;
}

const leaf = fc.oneof(fc.string(), fc.integer(), fc.boolean());
const { record } = fc.letrec<{ record: Record<string, unknown>; value: unknown }>((tie) => ({
  record: fc.dictionary(fc.constantFrom("a", "b", "c", "d"), tie("value")),
  value: fc.oneof({ depthSize: "small" }, leaf, fc.array(leaf, { maxLength: 3 }), tie("record")),
}));
const withoutEmpty = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

it("makes the one of the other", () => {
  fc.assert(
    fc.property(record, record, (before, after) => {
      const patch = mergePatchBetween(before, after);
      expect(withoutEmpty(patch === undefined ? before : applied(before, patch))).toEqual(withoutEmpty(after));
    }),
  );
});

it("is nothing when nothing differs", () => {
  fc.assert(
    fc.property(record, (value) => {
      expect(mergePatchBetween(value, structuredClone(value))).toBeUndefined();
    }),
  );
});

it.each([
  ["a field that is gone", { a: 1, b: 2 }, { a: 1 }, { b: null }],
  ["a field that is undefined", { a: 1, b: 2 }, { a: 1, b: undefined }, { b: null }],
  ["a list as a whole", { a: [1, 2] }, { a: [1] }, { a: [1] }],
  ["only what differs inside", { a: { b: 1, c: 2 } }, { a: { b: 1, c: 3 } }, { a: { c: 3 } }],
])("patches %s", (_sentence, before, after, patch) => {
  expect(mergePatchBetween(before, after)).toEqual(patch);
});

it("takes an undefined field for an absent one", () => {
  expect(isSame([{ a: undefined, b: 1 }], [{ b: 1 }])).toBe(true);
  expect(isSame([{ a: 1 }], [{ a: 1 }, { a: 2 }])).toBe(false);
});
