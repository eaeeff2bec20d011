import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import { Elector } from "../kube/lease.ts";
import type { LeaseTiming } from "../kube/lease-state.ts";
import type { KubeMetrics } from "../kube/metrics.ts";
import type { Transport } from "../kube/transport.ts";
import { uninstallStep, type UninstallStep } from "../plan/uninstall-step.ts";
import { operatorDeployments } from "../world/deployment.ts";

/** What the chart tells the uninstall's Job of the installation that it is part of. */
interface UninstallSelf {
  readonly podName: string;
  readonly podNamespace: string;
  /** Name of the operator's Lease, and of its Deployment. */
  readonly leaseName: string;
}

export interface UninstallOptions {
  readonly transport: Transport;
  readonly kubeMetrics: KubeMetrics;
  readonly logger: Logger;
  readonly self: UninstallSelf;
  readonly timing?: LeaseTiming;
  /** How long an operator that goes away is waited for; the Job has 240 s for all of its attempts. */
  readonly patienceMs?: number;
}

/** Nobody has uninstalled, or somebody has installed again; what was removed until then is made anew by that operator. */
export class UninstallRefusedError extends Error {
  override readonly name = "UninstallRefusedError";
}

const patienceMs = 90_000;
const lookEveryMs = 500;

/**
 * Leave to remove what operators have made: no operator's Deployment is there, and nobody renews the Lease. Holds the Lease
 * itself from then on, so that an operator that is installed meanwhile begins after the end.
 */
export class UninstallLeave implements AsyncDisposable {
  readonly #options: UninstallOptions;
  readonly #elector: Elector;

  /** Undefined: another installation looks after the devices. @throws {UninstallRefusedError} saying why. */
  static async wait(options: UninstallOptions): Promise<UninstallLeave | undefined> {
    const giveUpMs = performance.now() + (options.patienceMs ?? patienceMs);
    if ((await untilGone(options, giveUpMs)) === "LeaveAlone") return undefined;
    const leave = new UninstallLeave(options);
    try {
      await leave.#untilHeld(giveUpMs);
      await leave.confirm();
      return leave;
    } catch (error) {
      await leave[Symbol.asyncDispose]();
      throw error;
    }
  }

  private constructor(options: UninstallOptions) {
    const { transport, kubeMetrics, logger, self, timing } = options;
    this.#options = options;
    this.#elector = new Elector({
      transport,
      lease: { namespace: self.podNamespace, name: self.leaseName },
      identity: `${self.podName}_${randomUUID().slice(0, 8)}`,
      onLeading: () => undefined,
      onLost: (reason) => {
        logger.warn({ reason }, "the uninstall lost the Lease");
      },
      metrics: kubeMetrics,
      logger,
      ...(timing === undefined ? {} : { timing }),
    });
  }

  /** Before each write. @throws {UninstallRefusedError} where this process was paused for so long that another may hold the Lease */
  mustHold(): void {
    if (this.#elector.term === undefined) throw new UninstallRefusedError("the Lease is not held any more");
  }

  /** Before each group of writes. @throws {UninstallRefusedError} where it does not hold any more. */
  async confirm(): Promise<void> {
    const step = await look(this.#options);
    if (step.kind !== "Begin") throw new UninstallRefusedError(`an operator is there again: ${step.message}`);
    this.mustHold();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#elector.stop();
  }

  async #untilHeld(giveUpMs: number): Promise<void> {
    const { podNamespace, leaseName } = this.#options.self;
    while (this.#elector.term === undefined) {
      if (performance.now() > giveUpMs)
        throw new UninstallRefusedError(
          `the Lease ${podNamespace}/${leaseName} is renewed by "${this.#elector.holder}": an operator runs`,
        );
      await delay(lookEveryMs);
    }
  }
}

async function untilGone(options: UninstallOptions, giveUpMs: number): Promise<"Begin" | "LeaveAlone"> {
  for (let told = ""; ;) {
    const step = await look(options);
    if (step.kind === "Begin") return step.kind;
    if (step.message !== told)
      options.logger.info({ step: step.kind, reason: step.message }, "uninstall looked around");
    if (step.kind === "LeaveAlone") return step.kind;
    if (step.kind === "Refuse" || performance.now() > giveUpMs) throw new UninstallRefusedError(step.message);
    told = step.message;
    await delay(lookEveryMs);
  }
}

async function look({ transport, self }: UninstallOptions): Promise<UninstallStep> {
  const own = { namespace: self.podNamespace, name: self.leaseName };
  return uninstallStep(own, await operatorDeployments(transport, own));
}
