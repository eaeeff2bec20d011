import { z } from "zod";
import { apiVersion, group, kinds, version } from "../v1alpha1/api.ts";
import { EgressEndpoint } from "../v1alpha1/egress-endpoint.ts";
import { EgressPool } from "../v1alpha1/egress-pool.ts";
import { WhatsAppDevice } from "../v1alpha1/whatsapp-device.ts";
import { isSchema, structural, type Schema } from "./structural.ts";

interface Column {
  readonly name: string;
  readonly jsonPath: string;
  readonly type: "string" | "integer" | "date";
  readonly description: string;
  /** 1: with `-o wide` alone. */
  readonly priority?: 1;
}

interface Definition {
  readonly names: (typeof kinds)[keyof typeof kinds];
  readonly description: string;
  readonly schema: z.ZodType;
  readonly columns: readonly Column[];
}

const column = (name: string, jsonPath: string, description: string): Column => ({
  name,
  jsonPath,
  type: "string",
  description,
});
const count = (name: string, jsonPath: string, description: string): Column => ({
  ...column(name, jsonPath, description),
  type: "integer",
});
const condition = (type: string, field: string) => `.status.conditions[?(@.type=="${type}")].${field}`;
const age: Column = {
  name: "Age",
  jsonPath: ".metadata.creationTimestamp",
  type: "date",
  description: "Time since it was created.",
};

const definitions: readonly Definition[] = [
  {
    names: kinds.device,
    description: "One linked device of one WhatsApp account.",
    schema: WhatsAppDevice,
    columns: [
      column("Phase", ".status.phase", "One word for people."),
      column("Ready", condition("Ready", "status"), "Whether the device can send and receive."),
      column("Reason", condition("Ready", "reason"), "Why it is ready or not."),
      column("Endpoint", ".status.assignment.endpoint", "The way out it is assigned to."),
      { ...column("ObservedIP", ".status.connection.observedIP", "Address that the outside saw."), priority: 1 },
      column("Cause", ".status.lastDisconnect.cause", "Why it last disconnected."),
      age,
    ],
  },
  {
    names: kinds.pool,
    description: "A set of ways out to WhatsApp.",
    schema: EgressPool,
    columns: [
      column("Ready", condition("Ready", "status"), "Whether devices can leave by it."),
      column("Reason", condition("Ready", "reason"), "Why it is ready or not."),
      count("Endpoints", ".status.endpoints", "Ways out that exist."),
      count("Usable", ".status.readyEndpoints", "Of these, ready for devices."),
      count("Devices", ".status.devices", "Devices that name this pool."),
      count("Connected", ".status.connectedDevices", "Of these, connected."),
      age,
    ],
  },
  {
    names: kinds.endpoint,
    description: "One way out: a node of a node-pool member, or a proxy member. Made by the operator.",
    schema: EgressEndpoint,
    columns: [
      column("Pool", ".spec.pool", "EgressPool it belongs to."),
      column("Member", ".spec.member", "Member of that pool."),
      column("Phase", ".status.phase", "Whether it takes devices."),
      column("Observed IP", ".status.observedIPs[0]", "First address that the outside saw."),
      count("Devices", ".status.devices", "Devices assigned to it."),
      count("Capacity", ".status.maxSessions", "Most devices it carries."),
      age,
    ],
  },
];

/** A CustomResourceDefinition as plain JSON, as far as others look into it. */
export interface CustomResourceDefinition {
  readonly apiVersion: "apiextensions.k8s.io/v1";
  readonly kind: "CustomResourceDefinition";
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> };
  readonly spec: {
    readonly names: { readonly kind: string; readonly plural: string; readonly [field: string]: unknown };
    readonly versions: readonly [
      { readonly schema: { readonly openAPIV3Schema: Schema }; readonly [field: string]: unknown },
    ];
    readonly [field: string]: unknown;
  };
}

export function customResourceDefinitions(): readonly CustomResourceDefinition[] {
  return definitions.map(customResourceDefinition);
}

function customResourceDefinition({ names, description, schema, columns }: Definition): CustomResourceDefinition {
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${names.plural}.${group}` },
    spec: {
      group,
      scope: "Namespaced",
      names: { ...names, listKind: `${names.kind}List`, categories: ["whatsapp"] },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: columns,
          schema: { openAPIV3Schema: rootSchema(schema, names.kind, description) },
        },
      ],
    },
  };
}

/** metadata is the API server's own; a default for status would be a status that nobody computed. */
function rootSchema(schema: z.ZodType, kind: string, description: string): Schema {
  const { $schema: _, ...printed } = z.toJSONSchema(schema, { target: "openapi-3.0", io: "input" });
  const root = structural(printed);
  const { properties } = root;
  if (!isSchema(properties) || !isSchema(properties["spec"]) || !isSchema(properties["status"]))
    throw new TypeError(`${kind} lacks spec or status`);
  const { default: _noStatus, ...status } = properties["status"];
  return {
    ...root,
    description,
    required: ["spec"],
    properties: {
      apiVersion: { type: "string", description: `${apiVersion}.` },
      kind: { type: "string", description: `${kind}.` },
      // Not even a description: the API server lets nobody say anything about metadata.
      metadata: { type: "object" },
      spec: { description: "What is wanted.", ...properties["spec"] },
      status: { description: "What the operator found. Only the operator writes it.", ...status },
    },
  };
}
