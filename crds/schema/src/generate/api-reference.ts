import { apiVersion } from "../v1alpha1/api.ts";
import { customResourceDefinitions, type CustomResourceDefinition } from "./custom-resource-definitions.ts";
import { page, table } from "./markdown.ts";
import { fieldsOf, isSchema, type Field, type Schema } from "./structural.ts";

/** docs/reference/api.md: every field with its type, default and meaning. */
export function apiReference(): string {
  return page(
    "# API reference",
    `All kinds are \`${apiVersion}\` and namespaced. A device, its pool and its session pods share a namespace.`,
    ...customResourceDefinitions().flatMap(kindSection),
  );
}

function kindSection({ spec }: CustomResourceDefinition): readonly string[] {
  const { openAPIV3Schema } = spec.versions[0].schema;
  const fields = fieldsOf(openAPIV3Schema);
  const rows = (part: string) => fields.filter(({ path }) => path.startsWith(`${part}.`)).map(row);
  const header = ["Field", "Type", "Default", "Meaning"];
  return [
    `## ${spec.names.kind}`,
    textOf(openAPIV3Schema["description"]),
    table(header, rows("spec")),
    `### Status of ${spec.names.kind}`,
    table(header, rows("status")),
    ...rulesSection(openAPIV3Schema, fields),
  ];
}

function row({ path, schema, isRequired }: Field): readonly string[] {
  const bare = path.replace(/^(spec|status)\./, (part) => (part === "spec." ? "" : part));
  const isParent = isSchema(schema["properties"]);
  const initial = "default" in schema && !isParent ? `\`${JSON.stringify(schema["default"])}\`` : "";
  return [`\`${bare}\``, typeOf(schema), isRequired ? "required" : initial, textOf(schema["description"])];
}

function typeOf(schema: Schema): string {
  const { type, enum: values, items, additionalProperties, minimum, maximum } = schema;
  if (Array.isArray(values)) return values.map((value) => `\`${textOf(value)}\``).join(", ");
  if (isSchema(items)) return `list of ${typeOf(items)}`;
  if (isSchema(additionalProperties)) return `map of ${typeOf(additionalProperties)}`;
  if (type === "integer" && minimum !== undefined && maximum !== undefined)
    return `integer, ${textOf(minimum)} to ${textOf(maximum)}`;
  return textOf(type);
}

function rulesSection(root: Schema, fields: readonly Field[]): readonly string[] {
  const messages = [root, ...fields.map(({ schema }) => schema), ...fields.flatMap(({ schema }) => itemsOf(schema))]
    .flatMap(({ "x-kubernetes-validations": rules }) => (Array.isArray(rules) ? rules : []))
    .flatMap((rule: unknown) => (isSchema(rule) ? [`- ${textOf(rule["message"])}`] : []));
  return messages.length === 0 ? [] : ["Rules that the API server checks:", [...new Set(messages)].join("\n")];
}

function itemsOf({ items }: Schema): readonly Schema[] {
  return isSchema(items) ? [items] : [];
}

function textOf(value: unknown): string {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? String(value) : "";
}
