import { sh } from "./shell.ts";

/** Address of a container, on the network that the cluster's nodes are on too. */
export async function addressOf(container: string): Promise<string> {
  return (await sh("docker", ["inspect", "-f", "{{.NetworkSettings.Networks.kind.IPAddress}}", container])).trim();
}
