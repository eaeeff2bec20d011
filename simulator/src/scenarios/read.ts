import type { z } from "zod";
import { Action, PhoneScenario, Scenario } from "./scenario.ts";
import { Stanzas, type Stanza } from "./stanza.ts";

/** A scenario that is not one; every line names a field, its value and what is allowed there. */
export class ScenarioError extends Error {
  override readonly name = "ScenarioError";
}

export const readScenario = (text: string): Scenario => readBody(Scenario, text);
export const readPhoneScenario = (text: string): PhoneScenario => readBody(PhoneScenario, text);

/** A request's JSON body, or an error whose every line names a field, its value and what is allowed there. */
export function readBody<T>(shape: z.ZodType<T>, text: string): T {
  return readValue(shape, readJson(text));
}

/** One stanza or a list of them. */
export function readStanzas(text: string): readonly Stanza[] {
  const value = readJson(text);
  return readValue(Stanzas, Array.isArray(value) ? value : [value]);
}

function readValue<T>(shape: z.ZodType<T>, value: unknown): T {
  const parsed = shape.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new ScenarioError(parsed.error.issues.map((issue) => describe(issue, value)).join("\n"));
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ScenarioError(`body: not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function describe(issue: z.core.$ZodIssue, value: unknown): string {
  const path = issue.path.reduce<string>(
    (text, part) => (typeof part === "number" ? `${text}[${part}]` : `${text}${text === "" ? "" : "."}${String(part)}`),
    "",
  );
  const found = issue.path.reduce<unknown>(inside, value);
  return `${path === "" ? "body" : path}: ${found === undefined ? "absent" : shortened(found)}: ${allowed(issue)}`;
}

const inside = (value: unknown, part: PropertyKey): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, part) : undefined;

const longest = 80;
function shortened(value: unknown): string {
  const text = jsonOf(value);
  return text.length <= longest ? text : `${text.slice(0, longest)}...`;
}

/** What nests deeper than the stack has no text. */
function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch {
    return "a value that nests too deep to be shown";
  }
}

function allowed(issue: z.core.$ZodIssue): string {
  // The parser's own words for a wrong discriminator name no values.
  if (issue.code === "invalid_union" && issue.path.at(-1) === "kind")
    return `expected one of ${Action.options.map((option) => option.shape.kind.value).join(", ")}`;
  return issue.message;
}
