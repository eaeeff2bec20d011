import { describe, expect, it } from "vitest";
import { apiReference } from "./api-reference.ts";
import { causesReference } from "./causes-reference.ts";
import { conditionsReference } from "./conditions-reference.ts";
import { customResourceDefinitions } from "./custom-resource-definitions.ts";
import { fieldsOf } from "./structural.ts";
import { causes } from "../causes.ts";
import { deviceConditions, devicePhases } from "../v1alpha1/conditions.ts";

const fieldsByKind = customResourceDefinitions().map(({ spec }) => ({
  kind: spec.names.kind,
  fields: fieldsOf(spec.versions[0].schema.openAPIV3Schema),
}));

describe.each(fieldsByKind)("$kind", ({ fields }) => {
  it("describes every field in a sentence", () => {
    expect(fields.length).toBeGreaterThan(20);
    const ours = fields.filter(({ path }) => path !== "metadata");
    const undescribed = ours.filter(({ schema }) => !/^.{3,}\.$/.test(String(schema["description"])));
    expect(undescribed.map(({ path }) => path)).toEqual([]);
  });

  it("bounds every text and list that a user writes: rules over unbounded ones cost the API server too much", () => {
    const unbounded = fields.filter(
      ({ path, schema }) =>
        path.startsWith("spec.") &&
        ((schema["type"] === "string" && !("maxLength" in schema) && !("enum" in schema)) ||
          (schema["type"] === "array" && !("maxItems" in schema))),
    );
    expect(unbounded.map(({ path }) => path)).toEqual([]);
  });
});

it("documents every field, cause, condition and phase", () => {
  const api = apiReference();
  for (const { path } of fieldsByKind
    .flatMap(({ fields }) => fields)
    .filter(({ path }) => /^(spec|status)\./.test(path)))
    expect(api).toContain(`| \`${path.replace(/^spec\./, "")}\` |`);
  for (const cause of causes) expect(causesReference()).toContain(`| \`${cause}\` |`);
  for (const name of [...deviceConditions, ...devicePhases]) expect(conditionsReference()).toContain(`| \`${name}\` |`);
});
