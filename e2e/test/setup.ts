import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { TestProject } from "vitest/node";
import { addressOf } from "../src/outside.ts";
import { install, type ServerKeys } from "../src/release.ts";

/** Name of the cluster and prefix of the containers beside it; `manifests/cluster/stand.sh` makes them. */
const place = "wa-test";

declare module "vitest" {
  export interface ProvidedContext {
    place: string;
    simulatorUrl: string;
    /** Base URL of a `kubectl proxy`. */
    apiUrl: string;
  }
}

/** Once for all stories: the chart installed, and a way to read the cluster that costs no process a look. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  if (process.env["KUBECONFIG"] === undefined)
    throw new Error("KUBECONFIG is not set: these tests are run by `make test`, or after `stand.sh up wa-test`");
  const simulatorUrl = `http://${await addressOf(`${place}-simulator`)}:8080`;
  await install(`${place}-simulator`, keysOf(simulatorUrl));
  const proxy = spawn("kubectl", ["proxy", "--port=0"], { stdio: ["ignore", "pipe", "inherit"] });
  const [greeting] = await once(createInterface(proxy.stdout), "line");
  const address = /127\.0\.0\.1:\d+/.exec(String(greeting))?.[0];
  if (address === undefined) throw new Error(`kubectl proxy said ${String(greeting)}`);
  project.provide("place", place);
  project.provide("simulatorUrl", simulatorUrl);
  project.provide("apiUrl", `http://${address}`);
  return async () => {
    proxy.kill();
    await once(proxy, "exit");
  };
}

/** Read without the simulator's own client: a global setup does not resolve this repository's packages from source. */
function keysOf(simulatorUrl: string): ServerKeys {
  const read = async (path: string): Promise<string> => {
    const response = await fetch(`${simulatorUrl}${path}`);
    if (!response.ok) throw new Error(`GET ${path} of the simulator: ${response.status}`);
    return (await response.text()).trim();
  };
  return { rootKeyHex: async () => await read("/root-key"), caPem: async () => await read("/ca.pem") };
}
