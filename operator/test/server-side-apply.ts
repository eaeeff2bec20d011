import { parseAllDocuments } from "yaml";
import { z } from "zod";
import { isRawObject, isRecord, type RawObject } from "../src/kube/object.ts";
import type { Transport } from "../src/kube/transport.ts";

const Resources = z.object({
  resources: z.array(z.object({ name: z.string(), kind: z.string(), namespaced: z.boolean() })),
});

export interface Applying {
  /** For objects that name none. */
  readonly namespace: string;
  readonly isDryRun: boolean;
}

/** Every document of a file, read as YAML 1.1, which kubectl and the API server speak: a bare `no` is a boolean there. */
export function documentsOf(text: string): readonly RawObject[] {
  return parseAllDocuments(text, { version: "1.1" }).flatMap((document) => {
    const [error] = document.errors;
    if (error !== undefined) throw error;
    const value: unknown = document.toJS();
    if (value === null) return [];
    if (!isRawObject(value)) throw new Error("a document is no Kubernetes object");
    return [value];
  });
}

/** `kubectl apply --server-side` for objects of any kind: unknown fields are refused. Throws with the API server's words. */
export async function serverSideApply(
  transport: Transport,
  object: RawObject,
  { namespace, isDryRun }: Applying,
): Promise<void> {
  await transport.call({
    method: "PATCH",
    path: await pathOf(transport, object, namespace),
    contentType: "application/apply-patch+yaml",
    query: { fieldManager: "kubectl", fieldValidation: "Strict", ...(isDryRun ? { dryRun: "All" } : {}) },
    body: object,
  });
}

async function pathOf(transport: Transport, object: RawObject, namespace: string): Promise<string> {
  const { apiVersion, kind, metadata } = z
    .object({
      apiVersion: z.string(),
      kind: z.string(),
      metadata: z.object({ name: z.string(), namespace: z.string().optional() }),
    })
    .parse(object);
  const group = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const { resources } = Resources.parse(await transport.call({ method: "GET", path: group }));
  const found = resources.find((resource) => resource.kind === kind && !resource.name.includes("/"));
  if (found === undefined) throw new Error(`the API server has no ${kind} in ${apiVersion}`);
  const place = found.namespaced ? `/namespaces/${metadata.namespace ?? namespace}` : "";
  return `${group}${place}/${found.name}/${metadata.name}`;
}

/** `Kind name`, for sentences. */
export const titleOf = (object: RawObject): string =>
  `${isRecord(object) ? String(object["kind"]) : ""} ${object.metadata.name}`;
