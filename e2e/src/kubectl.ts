import { sh } from "./shell.ts";

/** The user's own tool, on the cluster that the environment's KUBECONFIG names. */
export const kubectl = async (...args: readonly string[]): Promise<string> => await sh("kubectl", args);

/** Applies objects as a GitOps pipeline does: server-side, under a name of its own. */
export async function apply(namespace: string, ...objects: readonly object[]): Promise<void> {
  const list = JSON.stringify({ apiVersion: "v1", kind: "List", items: objects });
  await sh("kubectl", ["apply", "--server-side", "--field-manager=user", "-n", namespace, "-f", "-"], list);
}
