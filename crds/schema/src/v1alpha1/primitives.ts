import { z } from "zod";

/** An RFC 1123 label: what names of nodes' pods, Secrets and members are made of. */
export const DnsLabel = z
  .string()
  .min(1)
  .max(63)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);

/** An RFC 1123 subdomain: names of Secrets. */
export const DnsName = z
  .string()
  .min(1)
  .max(253)
  .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/);

/** What the API server takes as a Secret's key. It becomes a file's name: a path would read other files of the pod. */
export const SecretKey = z
  .string()
  .min(1)
  .max(253)
  .regex(/^(\.?[-_a-zA-Z0-9][-._a-zA-Z0-9]*)$/);

/** A Go-style duration of whole numbers, as Kubernetes users write it: `20s`, `2m30s`, `500ms`. */
export const Duration = z
  .string()
  .max(20)
  .regex(/^([0-9]+(ms|s|m|h))+$/);

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** Milliseconds of a {@link Duration}; text that is none counts as 0, which the schema refuses before. */
export function durationMs(duration: string): number {
  let totalMs = 0;
  for (const [, count, unit] of duration.matchAll(/([0-9]+)(ms|s|m|h)/g))
    totalMs += Number(count) * (unitMs[unit ?? ""] ?? 0);
  return totalMs;
}

/** An instant as the API server prints it (RFC 3339, UTC). */
export const Timestamp = z.string().max(40).meta({ format: "date-time" });

const maxLabels = 32;
const labelRecord = z.record(
  z.string().max(316),
  z
    .string()
    .max(63)
    .regex(/^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/),
);
const sizeOf = (map: object) => Object.keys(map).length;

/** A qualified name: what is no label would be refused only when the operator copies it to an object of its own. */
const labelKey = "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$";
const hasLabelKeys = (map: object) => Object.keys(map).every((key) => new RegExp(labelKey).test(key));
const keysMessage = "keys must be label names, such as country or example.com/country";
// A message that names the key would cost more than the API server allows.
const keyRules = [{ rule: `self.all(key, key.matches('${labelKey}'))`, message: keysMessage }];

export const LabelMap = labelRecord
  .refine((map) => sizeOf(map) <= maxLabels, { message: `at most ${maxLabels} labels` })
  .refine(hasLabelKeys, { message: keysMessage })
  .meta({ maxProperties: maxLabels, "x-kubernetes-validations": keyRules });

export const NonEmptyLabelMap = labelRecord
  .refine((map) => sizeOf(map) >= 1 && sizeOf(map) <= maxLabels, { message: `between 1 and ${maxLabels} labels` })
  .refine(hasLabelKeys, { message: keysMessage })
  .meta({ minProperties: 1, maxProperties: maxLabels, "x-kubernetes-validations": keyRules });

/** The part of `metadata` that our code reads; unknown fields pass through unread. */
export const ObjectMeta = z.object({
  name: z.string(),
  namespace: z.string().default(""),
  uid: z.string().default(""),
  resourceVersion: z.string().default(""),
  generation: z.number().default(0),
  creationTimestamp: z.string().optional(),
  deletionTimestamp: z.string().optional(),
  labels: z.record(z.string(), z.string()).default({}),
  annotations: z.record(z.string(), z.string()).default({}),
  finalizers: z.array(z.string()).default([]),
});
export type ObjectMeta = z.infer<typeof ObjectMeta>;

/** `core/v1` Toleration, as pods take it. */
export const Toleration = z.object({
  key: z.string().max(316).optional().describe("Taint key that the toleration applies to; empty means all."),
  operator: z.enum(["Exists", "Equal"]).optional().describe("Exists or Equal (the API server's default)."),
  value: z.string().max(63).optional().describe("Taint value that the toleration matches."),
  effect: z.enum(["NoSchedule", "PreferNoSchedule", "NoExecute"]).optional().describe("Taint effect; empty means all."),
  tolerationSeconds: z.int().optional().describe("How long a NoExecute taint is tolerated, in seconds."),
});
export type Toleration = z.infer<typeof Toleration>;
