import { expect, it } from "vitest";
import { uninstallStep } from "./uninstall-step.ts";

const own = { namespace: "wa-system", name: "wa" };
const at = (namespace: string, name: string, isTerminating = false) => ({ namespace, name, isTerminating });

it.each([
  ["no operator is left", [], "Begin", ""],
  ["its own is there", [at("wa-system", "wa")], "Refuse", "Deployment wa-system/wa is there"],
  ["its own is being deleted", [at("wa-system", "wa", true)], "Wait", "Deployment wa-system/wa is being deleted"],
  ["another one lives", [at("other", "wa")], "LeaveAlone", "Deployment other/wa looks after"],
  ["one of another name lives beside it", [at("wa-system", "wa-2")], "LeaveAlone", "Deployment wa-system/wa-2"],
  ["its own is there and another one", [at("other", "wa"), at("wa-system", "wa")], "Refuse", "wa-system/wa"],
  ["its own goes and another one lives", [at("other", "wa"), at("wa-system", "wa", true)], "Wait", "wa-system/wa"],
  ["another one goes too", [at("other", "wa", true)], "Wait", "other/wa is being deleted"],
])("%s", (_, found, kind, words) => {
  const step = uninstallStep(own, found);
  expect(step.kind).toBe(kind);
  expect("message" in step ? step.message : "").toContain(words);
});
