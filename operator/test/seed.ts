import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { ApiServer } from "./api-server.ts";

/** Namespace of the operator that {@link seed} makes room for, its own pod there, and the Secret with the store's URL. */
export const system = "wa-system";
export const operatorPod = "op-0";
export const storeSecret = "store";
/** Labels of the one node. */
export const nodeLabels = { egress: "a" } as const;

/** What a cluster has before the operator's process starts: a node, the operator's namespace, its pod, and the store's Secret. */
export async function seed(server: ApiServer, storeUrl: string): Promise<void> {
  await server.createNamespace(system);
  const create = async (path: string, object: object): Promise<unknown> =>
    await server.transport.call({ method: "POST", path, body: { apiVersion: "v1", ...object } });
  await create("/api/v1/nodes", { kind: "Node", metadata: { name: "node-a", labels: nodeLabels } });
  await create(`/api/v1/namespaces/${system}/secrets`, {
    kind: "Secret",
    metadata: { name: storeSecret },
    stringData: { url: storeUrl },
  });
  await create(`/api/v1/namespaces/${system}/pods`, {
    kind: "Pod",
    metadata: { name: operatorPod },
    spec: { containers: [{ name: "x", image: "x" }] },
  });
}

/** What the chart mounts of `whatsapp.caBundle`: a file that goes with the API server's own. */
export async function caFile({ kubeconfig }: ApiServer, caPem: string): Promise<string> {
  const path = join(dirname(kubeconfig), "ca.pem");
  await writeFile(path, caPem);
  return path;
}
