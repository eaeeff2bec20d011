import type { Rule, Stage } from "./scenario.ts";

/** What is known of a connection when a stage is reached. */
export interface Moment {
  readonly stage: Stage;
  readonly source: string;
  readonly phone?: string | undefined;
  readonly registration?: boolean | undefined;
  readonly xmlns?: string | undefined;
  readonly child?: string | undefined;
  readonly childAttrs?: Readonly<Record<string, string>> | undefined;
  /** The account that a client's stanza is for. */
  readonly to?: string | undefined;
}

/** How often each rule, by its place in the list, has applied. */
export type Uses = ReadonlyMap<number, number>;

/** Place of the first rule that is for this moment and not used up. */
export function matchRule(rules: readonly Rule[], moment: Moment, uses: Uses): number | undefined {
  const found = rules.findIndex(
    (rule, place) => isFor(rule, moment) && (uses.get(place) ?? 0) < (rule.times ?? Infinity),
  );
  return found === -1 ? undefined : found;
}

const compared = ["stage", "phone", "registration", "xmlns", "child", "to"] as const;

function isFor(rule: Rule, moment: Moment): boolean {
  const isSource = rule.sources === undefined || rule.sources.includes(moment.source);
  const hasAttrs = Object.entries(rule.childAttrs ?? {}).every(([name, value]) => moment.childAttrs?.[name] === value);
  return isSource && hasAttrs && compared.every((field) => rule[field] === undefined || rule[field] === moment[field]);
}

/** Whether a version such as 2.3000.1 is below another, part by part. */
export function isOlder(version: string, than: string): boolean {
  const parts = (text: string) => text.split(".").map(Number);
  const limit = parts(than);
  for (const [place, part] of parts(version).entries()) {
    const other = limit[place] ?? 0;
    if (part !== other) return part < other;
  }
  return false;
}
