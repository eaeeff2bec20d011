import { conditionMeanings, phaseMeanings } from "../v1alpha1/conditions.ts";
import { page, table } from "./markdown.ts";

/** docs/reference/conditions.md: what scripts wait for, and what people read. */
export function conditionsReference(): string {
  return page(
    "# Conditions and phases",
    "Conditions are for scripts: `kubectl wait --for=condition=Ready wad/name`. `Reconciling` and `Stalled` are those that kstatus, Flux and Argo CD know: a device that waits for a person is neither.",
    ...Object.entries(conditionMeanings).flatMap(([kind, meanings]) => [
      `## ${kind}`,
      table(["Condition", "True means"], rows(meanings)),
    ]),
    "## Phases of a WhatsAppDevice",
    "One word derived from the conditions, for people; it may change between versions.",
    table(["Phase", "Meaning"], rows(phaseMeanings)),
  );
}

function rows(meanings: Readonly<Record<string, string>>): readonly (readonly string[])[] {
  return Object.entries(meanings).map(([name, meaning]) => [`\`${name}\``, meaning]);
}
