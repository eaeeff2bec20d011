import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parse } from "yaml";
import { isNotFound } from "../src/kube/api-error.ts";
import { isRawObject, isRecord, type RawObject } from "../src/kube/object.ts";
import type { Transport } from "../src/kube/transport.ts";

const crdPath = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const establishDeadlineMs = 20_000;

/** Applies every CustomResourceDefinition in a folder's YAML files and waits until they are established. */
export async function applyManifests(transport: Transport, folder: string): Promise<void> {
  const files = (await readdir(folder)).filter((file) => file.endsWith(".yaml"));
  if (files.length === 0) throw new Error(`no YAML in ${folder}: run make generate`);
  for (const file of files) {
    const object: unknown = parse(await readFile(join(folder, file), "utf8"));
    if (!isRawObject(object)) throw new Error(`${file} is no Kubernetes object`);
    await applyCrd(transport, object);
  }
}

/** Server-side apply, as raw JSON: typed clients drop the schema's x-kubernetes fields. */
async function applyCrd(transport: Transport, crd: RawObject): Promise<void> {
  const path = `${crdPath}/${crd.metadata.name}`;
  await transport.call({
    method: "PATCH",
    path,
    contentType: "application/apply-patch+yaml",
    query: { fieldManager: "test", force: "true" },
    body: crd,
  });
  const deadlineMs = performance.now() + establishDeadlineMs;
  while (!(await isServed(transport, path, crd))) {
    if (performance.now() > deadlineMs) throw new Error(`${crd.metadata.name} is not established`);
    await delay(50);
  }
}

/** Established, and its collection answers: the condition comes a moment before the handler. */
async function isServed(transport: Transport, path: string, crd: RawObject): Promise<boolean> {
  const object = await transport.call({ method: "GET", path });
  if (!isRecord(object) || !isRecord(object["status"]) || !isEstablished(object["status"]["conditions"])) return false;
  try {
    await transport.call({ method: "GET", path: collectionOf(crd) });
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

function isEstablished(conditions: unknown): boolean {
  return (
    Array.isArray(conditions) &&
    conditions.some((item) => isRecord(item) && item["type"] === "Established" && item["status"] === "True")
  );
}

function collectionOf({ spec }: RawObject): string {
  if (!isRecord(spec) || !isRecord(spec["names"]) || !Array.isArray(spec["versions"]))
    throw new Error("no CustomResourceDefinition");
  const first: unknown = spec["versions"][0];
  const version = isRecord(first) ? String(first["name"]) : "";
  return `/apis/${String(spec["group"])}/${version}/${String(spec["names"]["plural"])}`;
}
