import { expect, it } from "vitest";
import { valuesReference } from "./values-reference.ts";

const replicas = { type: "integer", minimum: 1, maximum: 5, description: "How many." };

it("lists value, type, default and meaning", () => {
  const images = {
    type: "object",
    description: "Where from.",
    properties: { tag: { type: "string", description: "Which." } },
  };
  const text = valuesReference({ properties: { replicas, images } }, { replicas: 2, images: { tag: "" } });
  expect(text).toContain("| `replicas` | integer, 1 to 5 | `2` | How many. |");
  expect(text).toContain('| `images.tag` | string | `""` | Which. |');
});

it.each([
  [
    "a value without a description",
    { properties: { replicas: { type: "integer" } } },
    { replicas: 2 },
    "replicas has no description",
  ],
  ["a value without a default", { properties: { replicas } }, {}, "no default of replicas"],
  ["a default without a schema", { properties: {} }, { replicas: 2 }, "replicas, which its schema lacks"],
])("refuses %s", (_, schema, defaults, words) => {
  expect(() => valuesReference(schema, defaults)).toThrow(words);
});
