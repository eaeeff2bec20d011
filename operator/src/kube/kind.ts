import type { z } from "zod";
import type { ObjectName } from "./object.ts";

/** What a client needs to know of a kind: where the API server keeps it, and how its JSON becomes a value of ours. */
export interface Kind<T> {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly isNamespaced: boolean;
  /** @throws {ParseError} naming kind and field when the object is not what the schema says. */
  parse(raw: unknown): T;
}

/** An object that the API server accepted and our schema does not: an older or newer CRD, or a hand-made status. */
export class ParseError extends Error {
  override readonly name = "ParseError";
}

export interface KindFacts<T> {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly isNamespaced: boolean;
  readonly schema: z.ZodType<T>;
}

export function defineKind<T>({ schema, ...facts }: KindFacts<T>): Kind<T> {
  return { ...facts, parse: (raw) => parseAs(facts.kind, schema, raw) };
}

function parseAs<T>(kind: string, schema: z.ZodType<T>, raw: unknown): T {
  const parsed = schema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  throw new ParseError(`${kind} does not fit its schema: ${issues.join("; ")}`);
}

export function apiVersionOf({ group, version }: { readonly group: string; readonly version: string }): string {
  return group === "" ? version : `${group}/${version}`;
}

/** Path of all objects of a kind: in one namespace, or in the whole cluster when `namespace` is empty. */
export function collectionPath(kind: Omit<Kind<unknown>, "parse">, namespace: string): string {
  const root = kind.group === "" ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
  const scope = kind.isNamespaced && namespace !== "" ? `/namespaces/${encodeURIComponent(namespace)}` : "";
  return `${root}${scope}/${kind.plural}`;
}

export function objectPath(kind: Omit<Kind<unknown>, "parse">, { namespace, name }: ObjectName): string {
  return `${collectionPath(kind, namespace)}/${encodeURIComponent(name)}`;
}
