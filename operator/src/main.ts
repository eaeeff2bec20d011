import { causes, deriveCanaryKey } from "@wa/schema";
import type { Logger } from "pino";
import { readConfig, type Config } from "./config/config.ts";
import { readUninstallConfig } from "./config/uninstall-config.ts";
import { wallAndMonotonic } from "./controllers/context.ts";
import { run, type HubInput, type Secrets } from "./controllers/run.ts";
import { UninstallRefusedError } from "./controllers/uninstall-leave.ts";
import { uninstall } from "./controllers/uninstall.ts";
import { findAuthority, prepareInstallation, readStoreUrl, type Installation } from "./hub/bootstrap.ts";
import { ledgerName, poolCode } from "./hub/grants/ledger-leases.ts";
import { createHubMetrics } from "./hub/metrics.ts";
import { startStandby } from "./hub/standby.ts";
import { startHub, type Hub, type HubOptions } from "./hub/start-hub.ts";
import { StoreWatch } from "./hub/store-watch.ts";
import { loadClusterAccess } from "./kube/kubeconfig.ts";
import { createKubeMetrics, type KubeMetrics } from "./kube/metrics.ts";
import { connectTransport, type Transport } from "./kube/transport.ts";
import { createLogger } from "./observe/log.ts";
import { createRegistry } from "./observe/metrics.ts";

/** `node main.ts` runs the operator; `node main.ts uninstall` is the chart's post-delete hook. */
async function main(command: string | undefined): Promise<void> {
  const registry = createRegistry();
  const kubeMetrics = createKubeMetrics(registry);
  const transport = connectTransport(await loadClusterAccess(), kubeMetrics);
  if (command === "uninstall") return await runUninstall(transport, kubeMetrics);
  const config = readConfig(process.env);
  const logger = createLogger(config.logLevel);
  const metrics = createHubMetrics(registry);
  const first = new FirstStart(transport, config);
  const running = await run({
    config,
    transport,
    registry,
    kubeMetrics,
    logger,
    prepare: async () => await first.secrets(),
    startHub: async (input) => {
      const { authority } = await first.read();
      const hub = await startHub({ ...hubOptions(config, input), authority, transport, logger, metrics });
      return withStoreWatch(hub, async () => await first.storeUrl(), logger);
    },
    startStandby: async () => {
      const { podNamespace: namespace, hubCaSecret: name } = config;
      const authority = await findAuthority(transport, { namespace, name });
      return authority === undefined ? undefined : await startStandby({ authority, ...hubPlace(config) });
    },
    ledgerNames: { ledgerOf: ledgerName, poolCode },
    onFatal: (reason) => {
      logger.fatal({ reason }, "ending");
      process.exit(1);
    },
  });
  for (const signal of ["SIGTERM", "SIGINT"] as const)
    process.once(signal, () => {
      logger.info({ signal }, "ending");
      void running[Symbol.asyncDispose]()
        .then(async () => await transport.close())
        .then(() => process.exit(0));
    });
}

/** Ends with 1 where an operator is there, so that the Job has failed and its log says why. */
async function runUninstall(transport: Transport, kubeMetrics: KubeMetrics): Promise<void> {
  const { logLevel, ...self } = readUninstallConfig(process.env);
  const logger = createLogger(logLevel);
  try {
    const outcome = await uninstall({ transport, kubeMetrics, logger, self }, wallAndMonotonic());
    logger.info({ outcome }, "uninstall ended");
  } catch (error) {
    if (!(error instanceof UninstallRefusedError)) throw error;
    logger.error({ reason: error.message }, "nothing is uninstalled");
    process.exitCode = 1;
  }
  await transport.close();
}

/** The hub, and beside it whoever tells it of another URL in the store's Secret. */
function withStoreWatch(hub: Hub, read: () => Promise<string>, logger: Logger): Hub {
  const watch = new StoreWatch({ read, onUrl: (url) => hub.setStoreUrl(url), logger });
  return {
    ...hub,
    [Symbol.asyncDispose]: async () => {
      await watch[Symbol.asyncDispose]();
      await hub[Symbol.asyncDispose]();
    },
  };
}

/** The installation's Secrets, read once a process; the store's URL again and again while it leads. */
class FirstStart {
  readonly #transport: Transport;
  readonly #config: Config;
  #installation: Promise<Installation> | undefined;

  constructor(transport: Transport, config: Config) {
    this.#transport = transport;
    this.#config = config;
  }

  async read(): Promise<Installation> {
    const { podNamespace, masterKeySecret, hubCaSecret, store } = this.#config;
    this.#installation ??= prepareInstallation(this.#transport, {
      namespace: podNamespace,
      masterKeySecret,
      hubCaSecret,
      store,
    });
    return await this.#installation;
  }

  async storeUrl(): Promise<string> {
    const { podNamespace: namespace, store } = this.#config;
    return await readStoreUrl(this.#transport, { namespace, store });
  }

  async secrets(): Promise<Secrets> {
    const { masterKey, authority, storeUrl } = await this.read();
    return { masterKey, hubCaPem: authority.certificatePem, storeUrl };
  }
}

function hubOptions(
  config: Config,
  { term, secrets, isOurPod, assignedTo, budgetOf, namedLedgers }: HubInput,
): Omit<HubOptions, "authority" | "transport" | "logger" | "metrics"> {
  return {
    term,
    isOurPod,
    assignedTo,
    budgetOf,
    namedLedgers,
    ...hubPlace(config),
    namespace: config.podNamespace,
    welcome: {
      installation: config.installation,
      store: { url: secrets.storeUrl },
      canaryKeyBase64: deriveCanaryKey(secrets.masterKey),
      causes: [...causes],
      whatsapp: config.whatsapp,
    },
  };
}

/** By its own name in the cluster; by localhost through a port-forward. */
const hubPlace = ({ hubHost, hubPort: port }: Config) => ({ names: [hubHost, "localhost"], port });

await main(process.argv[2]);
