import type { z } from "zod";
import { durationMs } from "./primitives.ts";

/** A rule across fields, said twice: in CEL for the API server, and as a function for who parses without one. */
export interface Rule<T> {
  readonly rule: string;
  /** What a user reads when it does not hold. */
  readonly message: string;
  /** The message as a CEL expression, for rules whose field does not name the value: the API server shows none by itself. No `string()`: its cost has no bound. */
  readonly says?: string;
  /** The field to blame; without one, users of a rule on a resource's root read `<nil>: Invalid value`. */
  readonly path?: readonly string[];
  /** Absent for rules on what a value was before, which only the API server knows. */
  readonly holds?: (self: T) => boolean;
}

/** The schema with these rules, checked by zod and passed through to the CRD as `x-kubernetes-validations`. */
export function withRules<S extends z.ZodObject>(schema: S, rules: readonly Rule<z.output<S>>[]): S {
  return schema
    .superRefine((self, context) => {
      for (const { holds, message, path = [] } of rules)
        if (holds !== undefined && !holds(self)) context.addIssue({ code: "custom", message, path: [...path] });
    })
    .meta({ "x-kubernetes-validations": rules.map(validationOf) });
}

function validationOf<T>({ rule, message, says, path }: Rule<T>): Readonly<Record<string, string>> {
  return {
    rule,
    message,
    ...(says === undefined ? {} : { messageExpression: says }),
    ...(path === undefined ? {} : { fieldPath: path.map((field) => `.${field}`).join("") }),
  };
}

/** A duration of which 0s makes no sense. */
export function positive<F extends string>(field: F): Rule<Readonly<Record<F, string>>> {
  return {
    rule: `duration(self.${field}) > duration('0s')`,
    message: `${field} must be longer than 0s`,
    says: `'${field} is ' + self.${field} + '; it must be longer than 0s'`,
    path: [field],
    holds: (self) => durationMs(self[field]) > 0,
  };
}

/** A duration that timers keep: what is longer than a few weeks they take for no time at all. */
export function between<F extends string>(field: F, least: string, most: string): Rule<Readonly<Record<F, string>>> {
  return {
    rule: `duration(self.${field}) >= duration('${least}') && duration(self.${field}) <= duration('${most}')`,
    message: `${field} must be between ${least} and ${most}`,
    says: `'${field} is ' + self.${field} + '; it must be between ${least} and ${most}'`,
    path: [field],
    holds: (self) => durationMs(self[field]) >= durationMs(least) && durationMs(self[field]) <= durationMs(most),
  };
}

/** The API server allows names of 253 characters, which leaves no room for names derived from them. */
export function shortName(kind: string, most: number): Rule<{ readonly metadata: { readonly name: string } }> {
  return {
    rule: `self.metadata.name.size() <= ${most}`,
    message: `${kind} names have at most ${most} characters, because other names are made from them`,
    // The API server knows no path below metadata.
    path: ["metadata"],
    holds: ({ metadata: { name } }) => name.length <= most,
  };
}
