import { expect, it } from "vitest";
import { z } from "zod";
import { fieldsOf, structural } from "./structural.ts";

const printed = (schema: z.ZodType) => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { target: "openapi-3.0", io: "input" });
  return structural(rest);
};

it("gives objects their full default, however deep", () => {
  const inner = z.object({ a: z.string().default("x"), b: z.string().optional() }).prefault({});
  const outer = z.object({ inner, c: z.boolean().default(false) }).prefault({});
  expect(printed(outer)).toMatchObject({ default: { inner: { a: "x" }, c: false } });
});

it("keeps what a default says over the defaults inside", () => {
  const schema = z.object({ a: z.string().default("x"), b: z.string().default("y") }).prefault({ a: "z" });
  expect(printed(schema)).toMatchObject({ default: { a: "z", b: "y" } });
});

it.each([
  ["a bounded integer", z.int().min(1).max(500), { type: "integer", format: "int32", minimum: 1, maximum: 500 }],
  ["any integer", z.int(), { type: "integer", format: "int64" }],
  ["an integer from 0", z.int().min(0), { type: "integer", format: "int64", minimum: 0 }],
  [
    "a map with bounded keys",
    z.record(z.string().max(9), z.string().max(3)),
    { type: "object", additionalProperties: { type: "string", maxLength: 3 } },
  ],
])("prints %s", (_sentence, schema, expected) => {
  expect(printed(schema)).toEqual(expected);
});

it.each([
  ["a union", z.object({ a: z.union([z.string(), z.int()]) }), "$.a: anyOf is not structural"],
  ["a closed object", z.object({ a: z.array(z.strictObject({ b: z.tuple([z.string()]) })) }), "$.a[].b"],
  ["null", z.object({ a: z.string().nullable() }), "$.a: nullable is not structural"],
])("refuses %s with its path", (_sentence, schema, message) => {
  expect(() => printed(schema)).toThrow(message);
});

it("names fields as users write them", () => {
  const schema = printed(z.object({ list: z.array(z.object({ name: z.string() })), text: z.string().default("") }));
  expect(fieldsOf(schema).map(({ path, isRequired }) => `${path}${isRequired ? "!" : ""}`)).toEqual([
    "list!",
    "list[].name!",
    "text",
  ]);
});
