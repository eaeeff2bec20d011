import { setTimeout as delay } from "node:timers/promises";
import { SimulatorClient } from "@wa/simulator";
import { Registry } from "prom-client";
import { loadClusterAccess } from "../../operator/src/kube/kubeconfig.ts";
import { createKubeMetrics } from "../../operator/src/kube/metrics.ts";
import { connectTransport, type Transport } from "../../operator/src/kube/transport.ts";
import { kubectl } from "../../e2e/src/kubectl.ts";
import { addressOf } from "../../e2e/src/outside.ts";
import { install as installChart } from "../../e2e/src/release.ts";
import { install } from "./installation.ts";

/** Where a user applies devices: processes on this machine, or a cluster. What is measured is the same code for both. */
export interface Place extends AsyncDisposable {
  readonly transport: Transport;
  readonly simulator: SimulatorClient;
  readonly namespace: string;
  /** Selects one node. */
  readonly nodeSelector: Readonly<Record<string, string>>;
  readonly echoes: readonly string[];
  /** Image of a bare pod. */
  readonly image: string;
  /** What a pod's container printed so far. */
  logOf(pod: string): Promise<string>;
}

/** Name of a cluster that `manifests/cluster/stand.sh up NAME` made, with KUBECONFIG set; empty: processes. */
export const clusterName = process.env["CLUSTER"] ?? "";

export async function openPlace(): Promise<Place> {
  return clusterName === "" ? await processes() : await cluster(clusterName);
}

async function processes(): Promise<Place> {
  const installation = await install();
  const { namespace, nodeSelector, echoes, simulator, server } = installation;
  const kubelet = installation.runPods(20);
  return {
    transport: server.transport,
    simulator,
    namespace,
    nodeSelector,
    echoes,
    image: "bare:1",
    logOf: async (pod) => await Promise.resolve(kubelet.logOf(pod)),
    [Symbol.asyncDispose]: async () => await installation[Symbol.asyncDispose](),
  };
}

async function cluster(name: string): Promise<Place> {
  const simulator = new SimulatorClient(`http://${await addressOf(`${name}-simulator`)}:8080`);
  await installChart(`${name}-simulator`, simulator);
  const transport = connectTransport(await loadClusterAccess(), createKubeMetrics(new Registry()));
  const namespace = `bench-${crypto.randomUUID().slice(0, 8)}`;
  await kubectl("create", "namespace", namespace);
  while ((await kubectl("get", "sa", "-n", namespace, "-o", "name")) === "") await delay(100);
  return {
    transport,
    simulator,
    namespace,
    nodeSelector: { egress: "a" },
    echoes: [`http://${name}-simulator:8080/ip`],
    image: "whatsapp-session-pod:dev",
    logOf: async (pod) => await kubectl("logs", pod, "-n", namespace).catch(() => ""),
    [Symbol.asyncDispose]: async () => {
      await kubectl("delete", "namespace", namespace, "--timeout=120s");
      await transport.close();
    },
  };
}
