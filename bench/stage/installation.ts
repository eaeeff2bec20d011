import { randomUUID } from "node:crypto";
import { hubPath } from "@wa/schema";
import type { SimulatorClient } from "@wa/simulator";
import { freePort, startApiServer, type ApiServer } from "../../operator/test/api-server.ts";
import { Kubelet } from "../../operator/test/kubelet.ts";
import { caFile, nodeLabels, operatorPod, seed, storeSecret, system } from "../../operator/test/seed.ts";
import { startPostgres } from "../../session-pod/test/postgres.ts";
import { entrypoint, imageEnvironment, start, type Program } from "./program.ts";
import { startSimulatorProcess, type SimulatorProcess } from "./simulator-process.ts";

const echoed = "203.0.113.9";

/** A whole installation of processes on this machine: API server, PostgreSQL, simulator, operator, and containers as processes. */
export interface Installation extends AsyncDisposable {
  readonly server: ApiServer;
  readonly simulator: SimulatorClient;
  readonly namespace: string;
  /** Selects the one node there is. */
  readonly nodeSelector: Readonly<Record<string, string>>;
  readonly echoes: readonly string[];
  readonly hubUrl: string;
  readonly operator: Program;
  /** What the operator says of itself; undefined while it does not answer. */
  operatorMetrics(): Promise<string | undefined>;
  /** Ends the operator in order, so that its Lease is free, and starts it anew. */
  restartOperator(): Promise<Program>;
  /** Runs the namespace's pods from now on. */
  runPods(pollMs?: number): Kubelet;
}

/** @param more environment of the operator */
export async function install(more: Readonly<Record<string, string>> = {}): Promise<Installation> {
  await using starting = new AsyncDisposableStack();
  const simulator = starting.use(await startSimulatorProcess(echoed));
  const postgres = starting.adopt(await startPostgres(), async (server) => await server.stop());
  const server = starting.adopt(await startApiServer(), async (started) => await started.stop());
  await server.applyCrds();
  await seed(server, postgres.url);
  const namespace = await server.createNamespace(`bench-${randomUUID().slice(0, 8)}`);
  const env = {
    ...imageEnvironment(),
    ...(await environment({ server, simulator, hubPort: await freePort(), metricsPort: await freePort() })),
    ...more,
  };
  let operator = starting.use(start(entrypoint("operator"), env));
  const running = starting.move();
  return {
    server,
    simulator: simulator.client,
    namespace,
    nodeSelector: nodeLabels,
    echoes: [`${simulator.controlUrl}/ip`],
    hubUrl: `wss://localhost:${env.HUB_PORT}${hubPath}`,
    get operator() {
      return operator;
    },
    operatorMetrics: async () => await textAt(`http://127.0.0.1:${env.METRICS_PORT}/metrics`),
    restartOperator: async () => {
      await operator.end("SIGTERM");
      operator = running.use(start(entrypoint("operator"), env));
      return operator;
    },
    runPods: (pollMs = 100) =>
      running.use(
        new Kubelet(server.transport, namespace, {
          entrypoint: entrypoint("session-pod"),
          imageEnvironment: imageEnvironment(),
          pollMs,
        }),
      ),
    [Symbol.asyncDispose]: async () => await running.disposeAsync(),
  };
}

/** The chart's environment of the operator. */
const environment = async (parts: {
  readonly server: ApiServer;
  readonly simulator: SimulatorProcess;
  readonly hubPort: number;
  readonly metricsPort: number;
}) => ({
  KUBECONFIG: parts.server.kubeconfig,
  POD_NAME: operatorPod,
  POD_NAMESPACE: system,
  SESSION_IMAGE: "session:1",
  STORE_SECRET: storeSecret,
  HUB_PORT: String(parts.hubPort),
  METRICS_PORT: String(parts.metricsPort),
  WHATSAPP_URL: parts.simulator.wssUrl,
  WHATSAPP_ROOT_KEY: parts.simulator.rootKeyHex,
  WHATSAPP_CA_FILE: await caFile(parts.server, parts.simulator.caPem),
});

async function textAt(url: string): Promise<string | undefined> {
  try {
    return await (await fetch(url)).text();
  } catch {
    return undefined;
  }
}
