/**
 * JSON Schema as zod prints it → the structural schema that a CustomResourceDefinition takes: defaults of objects in full,
 * integer formats, and nothing that the API server refuses. Pure.
 */
export type Schema = Readonly<Record<string, unknown>>;

/** What zod may print and we understand; anything else is a mistake here rather than an error at `kubectl apply`. */
const known = new Set([
  "type",
  "description",
  "default",
  "enum",
  "format",
  "pattern",
  "minLength",
  "maxLength",
  "minimum",
  "maximum",
  "minItems",
  "maxItems",
  "items",
  "properties",
  "required",
  "additionalProperties",
  "minProperties",
  "maxProperties",
  "x-kubernetes-list-type",
  "x-kubernetes-list-map-keys",
  "x-kubernetes-validations",
]);
/** A record's key schema has no place in a structural schema. */
const dropped = new Set(["propertyNames"]);

const maxInt32 = 2 ** 31 - 1;

/** @throws {TypeError} naming the path of a keyword that no structural schema has. */
export function structural(schema: Schema, path = "$"): Schema {
  for (const keyword of Object.keys(schema))
    if (!known.has(keyword) && !dropped.has(keyword)) throw new TypeError(`${path}: ${keyword} is not structural`);
  const own = Object.fromEntries(Object.entries(schema).filter(([keyword]) => !dropped.has(keyword)));
  return withFullDefault({ ...own, ...integerFormat(own), ...children(own, path) });
}

function children(schema: Schema, path: string): Schema {
  const { properties, items, additionalProperties } = schema;
  return {
    ...(isSchema(properties) ? { properties: mapValues(properties, path) } : {}),
    ...(isSchema(items) ? { items: structural(items, `${path}[]`) } : {}),
    ...(isSchema(additionalProperties) ? { additionalProperties: structural(additionalProperties, `${path}{}`) } : {}),
  };
}

function mapValues(properties: Schema, path: string): Schema {
  return Object.fromEntries(
    Object.entries(properties).map(([name, property]) => {
      if (!isSchema(property)) throw new TypeError(`${path}.${name} has no schema`);
      return [name, structural(property, `${path}.${name}`)];
    }),
  );
}

/** zod bounds every integer by what a double holds; that says nothing to a user. */
function integerFormat({ type, minimum, maximum }: Schema): Schema {
  if (type !== "integer") return {};
  const isSmall = typeof maximum === "number" && maximum <= maxInt32;
  return {
    format: isSmall ? "int32" : "int64",
    ...(minimum === Number.MIN_SAFE_INTEGER ? { minimum: undefined } : {}),
    ...(maximum === Number.MAX_SAFE_INTEGER ? { maximum: undefined } : {}),
  };
}

/**
 * `default: {}` of an object becomes its fields' defaults: the API server tries CEL rules on a default as it stands, before
 * the defaults inside it are filled in, and refuses the whole CRD.
 */
function withFullDefault(schema: Schema): Schema {
  const clean = Object.fromEntries(Object.entries(schema).filter(([, value]) => value !== undefined));
  if (!("default" in clean)) return clean;
  return { ...clean, default: filled(clean, clean["default"]) };
}

function filled({ properties }: Schema, value: unknown): unknown {
  if (!isSchema(properties) || !isSchema(value)) return value;
  const full: Record<string, unknown> = { ...value };
  for (const [name, property] of Object.entries(properties)) {
    if (!isSchema(property)) continue;
    if (full[name] !== undefined) full[name] = filled(property, full[name]);
    else if ("default" in property) full[name] = property["default"];
  }
  return full;
}

export function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A field of a schema with the path that users write, such as `spec.members[].name`. */
export interface Field {
  readonly path: string;
  readonly schema: Schema;
  readonly isRequired: boolean;
}

/** Every named field below `schema`, parents first. */
export function fieldsOf(schema: Schema, path = ""): readonly Field[] {
  const { properties, items, additionalProperties, required } = schema;
  const needed = Array.isArray(required) ? required : [];
  const named = isSchema(properties) ? Object.entries(properties) : [];
  return [
    ...named.flatMap(([name, property]) => {
      if (!isSchema(property)) return [];
      const field = path === "" ? name : `${path}.${name}`;
      return [{ path: field, schema: property, isRequired: needed.includes(name) }, ...fieldsOf(property, field)];
    }),
    ...(isSchema(items) ? fieldsOf(items, `${path}[]`) : []),
    ...(isSchema(additionalProperties) ? fieldsOf(additionalProperties, `${path}{}`) : []),
  ];
}
