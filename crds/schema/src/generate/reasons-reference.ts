import { deviceReasons, endpointReasons, poolReasons } from "../reasons.ts";
import { page, table } from "./markdown.ts";

/** docs/reference/reasons.md: every word that a condition may give as its reason. */
export function reasonsReference(): string {
  return page(
    "# Reasons",
    "`.status.conditions[].reason`, what it means, and what to do; where nothing is said, nothing has to be done. The condition's message names fields and values.",
    "## WhatsAppDevice",
    "While a device backs off, hibernates or is blocked, the reason is one of the [causes](causes.md).",
    table(header, rows(deviceReasons)),
    "## EgressPool",
    table(header, rows(poolReasons)),
    "## EgressEndpoint",
    table(header, rows(endpointReasons)),
  );
}

const header = ["Reason", "Means", "Do"];

function rows(reasons: Readonly<Record<string, { means: string; act: string }>>): readonly (readonly string[])[] {
  return Object.entries(reasons).map(([reason, { means, act }]) => [`\`${reason}\``, means, act]);
}
