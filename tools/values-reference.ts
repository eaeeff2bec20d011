import { table } from "@wa/schema/generate";

/** A value of the chart as its JSON schema describes it. */
interface ValueSchema {
  readonly type?: string;
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly items?: ValueSchema;
  readonly properties?: Readonly<Record<string, ValueSchema>>;
}

/** docs/reference/values.md, from the chart's schema and its defaults. @throws for a value without description or default */
export function valuesReference(schema: ValueSchema, defaults: unknown): string {
  return `${[
    "<!-- Generated from the chart's values.schema.json and values.yaml by `make generate`; edit there. -->",
    "# Values of the Helm chart",
    "Unknown values are refused. [Samples](../../manifests/samples/values) show them in use.",
    table(["Value", "Type", "Default", "Meaning"], rowsOf(schema, defaults, "")),
  ].join("\n\n")}\n`;
}

function rowsOf({ properties = {} }: ValueSchema, defaults: unknown, prefix: string): readonly (readonly string[])[] {
  const unknown = keysOf(defaults).filter((key) => !(key in properties));
  if (unknown.length > 0) throw new Error(`values.yaml has ${prefix}${unknown.join(", ")}, which its schema lacks`);
  return Object.entries(properties).flatMap(([key, schema]) => {
    const path = `${prefix}${key}`;
    // Helm brings it by itself.
    if (path === "global") return [];
    if (schema.description === undefined) throw new Error(`values.schema.json: ${path} has no description`);
    const value = fieldOf(defaults, key);
    if (value === undefined) throw new Error(`values.yaml has no default of ${path}`);
    if (schema.properties !== undefined)
      return [[`**${path}**`, "", "", schema.description], ...rowsOf(schema, value, `${path}.`)];
    return [[`\`${path}\``, typeOf(schema), `\`${JSON.stringify(value)}\``, schema.description]];
  });
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const keysOf = (value: unknown): readonly string[] => (isRecord(value) ? Object.keys(value) : []);
const fieldOf = (value: unknown, key: string): unknown => (isRecord(value) ? value[key] : undefined);

function typeOf({ type, enum: values, items, minimum, maximum }: ValueSchema): string {
  if (values !== undefined) return values.map((value) => `\`${String(value)}\``).join(", ");
  if (items !== undefined) return `list of ${typeOf(items)}`;
  if (minimum !== undefined && maximum !== undefined) return `${type ?? ""}, ${minimum} to ${maximum}`;
  return type ?? "";
}
