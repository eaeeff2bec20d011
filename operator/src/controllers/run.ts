import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { hubPath } from "@wa/schema";
import type { Logger } from "pino";
import type { Registry } from "prom-client";
import type { Config } from "../config/config.ts";
import type { AssignmentOf, BudgetOf, IsOurPod, Links } from "../hub/links.ts";
import { Elector } from "../kube/lease.ts";
import type { LeaseTiming } from "../kube/lease-state.ts";
import type { KubeMetrics } from "../kube/metrics.ts";
import { resource } from "../kube/resource.ts";
import type { Transport } from "../kube/transport.ts";
import { startHttp, type HttpServer } from "../observe/http.ts";
import type { Settings } from "../plan/world.ts";
import { podKind } from "../world/kinds.ts";
import { assignmentIn, budgetsIn, isOurPodIn, namedLedgersIn, type LedgerNames } from "./hub-answers.ts";
import { LateLinks } from "./late-links.ts";
import { removeLeaderLabel, takeLeaderLabel } from "./leader-label.ts";
import { startOperator, type Operator } from "./operator.ts";

/** What a leader reads, and makes at the first start of an installation. */
export interface Secrets {
  readonly masterKey: Uint8Array;
  readonly hubCaPem: string;
  readonly storeUrl: string;
}

/** What the hub needs of the rest of the operator. */
export interface HubInput {
  readonly term: number;
  readonly secrets: Secrets;
  readonly isOurPod: IsOurPod;
  readonly assignedTo: AssignmentOf;
  readonly budgetOf: BudgetOf;
  readonly namedLedgers: () => ReadonlySet<string>;
}

export interface Process {
  readonly config: Config;
  readonly transport: Transport;
  readonly registry: Registry;
  readonly logger: Logger;
  readonly kubeMetrics: KubeMetrics;
  /** Reads the installation's Secrets; makes those that are absent, and never overwrites one. */
  readonly prepare: () => Promise<Secrets>;
  readonly startHub: (input: HubInput) => Promise<Links & AsyncDisposable>;
  /** What answers on the hub's port while another process leads; undefined: the installation has no hub yet. */
  readonly startStandby: () => Promise<AsyncDisposable | undefined>;
  readonly ledgerNames: LedgerNames;
  /** Called once when this process has to end: the Lease is lost, or leading could not begin. */
  readonly onFatal: (reason: string) => void;
  readonly timing?: LeaseTiming;
}

export interface Running extends AsyncDisposable {
  readonly operator: Operator;
  /** Where `/metrics`, `/livez` and `/readyz` are. */
  readonly httpPort: number;
  readonly isLeading: boolean;
}

/** A mirror that is deaf for longer than this will not hear again: bookmarks come every minute. */
const deafAfterMs = 10 * 60_000;

/** One operator process: warm from the first moment, at work once it leads, at its end when the Lease is lost. */
export async function run(process: Process): Promise<Running> {
  const { config, transport, kubeMetrics, registry, logger } = process;
  const self = { namespace: config.podNamespace, name: config.podName };
  await removeLeaderLabel(resource(transport, podKind), self);
  const links = new LateLinks();
  const operator = startOperator({
    transport,
    kubeMetrics,
    registry,
    logger,
    links,
    installation: config.installation,
    podName: config.podName,
    isLeading: () => elector.term !== undefined,
  });
  const reign = new Reign(process, operator, links);
  const elector = new Elector({
    transport,
    lease: { namespace: config.podNamespace, name: config.leaseName },
    // A restarted container of the same pod is another holder.
    identity: `${config.podName}_${randomUUID().slice(0, 8)}`,
    onLeading: (term) => {
      reign.begin(term);
    },
    onLost: process.onFatal,
    isHealthy: () => operator.mirror.silentForMs < deafAfterMs,
    metrics: kubeMetrics,
    logger,
    ...(process.timing === undefined ? {} : { timing: process.timing }),
  });
  const http = await startHttp(config.metricsPort, registry, healthOf(operator));
  return {
    operator,
    httpPort: http.port,
    get isLeading() {
      return elector.term !== undefined;
    },
    [Symbol.asyncDispose]: async () => {
      await end({ operator, reign, elector, http });
    },
  };
}

const healthOf = (operator: Operator) => ({
  sickness: () =>
    operator.mirror.silentForMs < deafAfterMs ? undefined : "the API server has not been heard for ten minutes",
  unreadiness: () => (operator.mirror.hasSynced ? undefined : "the first lists have not arrived yet"),
});

interface Parts {
  readonly operator: Operator;
  readonly reign: Reign;
  readonly elector: Elector;
  readonly http: HttpServer;
}

/** Writes end before the Lease is let go, so that two never write. */
async function end({ operator, reign, elector, http }: Parts): Promise<void> {
  await operator[Symbol.asyncDispose]();
  await reign.stop();
  await elector.stop();
  await http[Symbol.asyncDispose]();
}

/** What happens between becoming the leader and leading: Secrets, hub, controllers, and the label that brings the dials here. */
class Reign {
  readonly #process: Process;
  readonly #operator: Operator;
  readonly #links: LateLinks;
  /** Holds the hub's port until this process leads. */
  readonly #standby: Promise<AsyncDisposable | undefined>;
  #hub: AsyncDisposable | undefined;
  #isStopped = false;
  #beginning: Promise<void> = Promise.resolve();

  constructor(process: Process, operator: Operator, links: LateLinks) {
    this.#process = process;
    this.#operator = operator;
    this.#links = links;
    this.#standby = process.startStandby().catch((error: unknown) => {
      process.logger.warn({ err: error }, "this replica does not answer on the hub's port");
      return undefined;
    });
  }

  begin(term: number): void {
    this.#beginning = this.#lead(term).catch((error: unknown) => {
      this.#process.logger.fatal({ err: error }, "cannot lead");
      this.#process.onFatal("this process won the Lease and cannot lead");
    });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#beginning;
    await (this.#hub ?? (await this.#standby))?.[Symbol.asyncDispose]();
  }

  async #lead(term: number): Promise<void> {
    const { config, transport, prepare, startHub, ledgerNames, logger } = this.#process;
    const { mirror, view } = this.#operator;
    while (!mirror.hasSynced && !this.#isStopped) await delay(syncPollMs);
    if (this.#isStopped) return;
    const secrets = await prepare();
    const world = () => view.snapshot();
    await (await this.#standby)?.[Symbol.asyncDispose]();
    const hub = await startHub({
      term,
      secrets,
      isOurPod: isOurPodIn(world),
      assignedTo: assignmentIn(world),
      budgetOf: budgetsIn(world, ledgerNames),
      namedLedgers: namedLedgersIn(world, ledgerNames.ledgerOf),
    });
    this.#hub = hub;
    this.#links.attach(hub);
    if (this.#isStopped) return;
    this.#operator.lead({ settings: settingsOf(config, secrets), masterKey: secrets.masterKey });
    await takeLeaderLabel(resource(transport, podKind), { namespace: config.podNamespace, name: config.podName });
    logger.info({ term }, "controllers and hub at work");
  }
}

const syncPollMs = 50;

const settingsOf = ({ session, hubHost, hubPort, whatsapp }: Config, { hubCaPem }: Secrets): Settings => ({
  sessionImage: session.image,
  imagePullPolicy: session.pullPolicy,
  imagePullSecrets: session.pullSecrets,
  hubUrl: `wss://${hubHost}:${hubPort}${hubPath}`,
  hubCaPem,
  sessionLogLevel: session.logLevel,
  clientVersion: whatsapp.clientVersion,
});
