import { labels, labelValues } from "@wa/schema";
import type { Kind } from "../src/kube/kind.ts";
import type { JsonRecord } from "../src/kube/object.ts";
import type { ListOptions } from "../src/kube/resource.ts";
import { deviceKind, endpointKind, nodeKind, podKind, poolKind } from "../src/world/kinds.ts";
import { proxyMember } from "./builders.ts";

/** A kind that the operator mirrors, and how a writer makes and changes its objects. */
export interface Subject {
  readonly kind: Kind<unknown>;
  /** As the operator watches it. */
  readonly selection: ListOptions;
  /** Of a new object, beside its name. */
  readonly body: JsonRecord;
  readonly labels?: Readonly<Record<string, string>>;
  /** Merge patches; some take an object out of the selection and bring it back. */
  change(revision: number): JsonRecord;
}

const annotated = (revision: number): JsonRecord => ({ metadata: { annotations: { revision: String(revision) } } });
const component = (value: string) => ({ [labels.component]: value });
const proxy = proxyMember().proxy;

export const subjects: readonly Subject[] = [
  { kind: deviceKind, selection: {}, body: { spec: { egress: { pool: "eu" } } }, change: annotated },
  { kind: poolKind, selection: {}, body: { spec: { members: [proxyMember()] } }, change: annotated },
  { kind: endpointKind, selection: {}, body: { spec: { pool: "eu", member: "px", proxy } }, change: annotated },
  { kind: nodeKind, selection: {}, body: {}, change: annotated },
  {
    kind: podKind,
    selection: { labelSelector: `${labels.component}=${labelValues.sessionPod}` },
    labels: component(labelValues.sessionPod),
    body: { spec: { containers: [{ name: "x", image: "x" }] } },
    change: (revision) =>
      revision % 3 === 0
        ? { metadata: { labels: component(revision % 2 === 0 ? labelValues.sessionPod : "another") } }
        : annotated(revision),
  },
];
