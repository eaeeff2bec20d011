import { setTimeout as sleep } from "node:timers/promises";
import type {
  ClaimRequest,
  ClaimResult,
  DeviceKey,
  DueMessage,
  OutboxQuestion,
  RenewableStore,
  Store,
} from "../sessions/ports.ts";

/** Why the pod works with another store, or by another login, than it was told last. */
export interface StoreProblem {
  readonly reason: "StoreChanged" | "StoreLoginRefused";
  readonly message: string;
}

export interface LateStoreOptions {
  readonly open: (url: string) => Promise<RenewableStore>;
  /** Where it is opened, if it is not told otherwise before. */
  readonly url: string;
  readonly onProblem: (problem: StoreProblem | undefined) => void;
  /** Between two tries of a login that cannot be used yet: often the Secret is changed before the database is. */
  readonly retryMs?: number;
}

const retryMs = 5_000;

/**
 * A store that is opened by who needs it first, and again as long as that fails: every session then says what is wrong itself.
 * Once it is open, another login of the same database is taken up under the sessions; another database is told and left alone.
 */
export class LateStore implements Store {
  readonly #options: LateStoreOptions;
  readonly #ended = new AbortController();
  #url: string;
  #opening: Promise<RenewableStore> | undefined;
  #renewing: Promise<void> | undefined;
  #told: StoreProblem | undefined;

  constructor(options: LateStoreOptions) {
    this.#options = options;
    this.#url = options.url;
  }

  /** From now on, where the store is by the operator's word. */
  useUrl(url: string): void {
    if (url === this.#url) return;
    this.#url = url;
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = undefined;
    });
  }

  async claim(request: ClaimRequest): Promise<ClaimResult> {
    return await (await this.#store()).claim(request);
  }

  async pendingOutbox(devices: readonly OutboxQuestion[]): Promise<ReadonlyMap<DeviceKey, readonly DueMessage[]>> {
    return await (await this.#store()).pendingOutbox(devices);
  }

  async ping(): Promise<void> {
    await (await this.#store()).ping();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    const store = await this.#opening?.catch(() => undefined);
    await this.#renewing;
    await store?.[Symbol.asyncDispose]();
  }

  /** Until the open store works by the newest URL: a login may be accepted later, a database be put back to what it was. */
  async #renew(): Promise<void> {
    const { signal } = this.#ended;
    while (!signal.aborted) {
      const store = await this.#opening?.catch(() => undefined);
      const url = this.#url;
      // Not open: whoever opens it does so by the newest URL.
      const problem = store === undefined ? undefined : await problemOf(store, url);
      if (url !== this.#url) continue;
      this.#tell(problem);
      if (problem === undefined) return;
      await sleep(this.#options.retryMs ?? retryMs, undefined, { signal }).catch(() => undefined);
    }
  }

  #tell(problem: StoreProblem | undefined): void {
    if (problem?.reason === this.#told?.reason && problem?.message === this.#told?.message) return;
    this.#told = problem;
    this.#options.onProblem(problem);
  }

  async #store(): Promise<RenewableStore> {
    const opening = (this.#opening ??= this.#options.open(this.#url));
    try {
      return await opening;
    } catch (error) {
      if (this.#opening === opening) this.#opening = undefined;
      throw error;
    }
  }
}

async function problemOf(store: RenewableStore, url: string): Promise<StoreProblem | undefined> {
  try {
    const answer = await store.relogin(url);
    return answer.kind === "Taken" ? undefined : { reason: "StoreChanged", message: answer.message };
  } catch (error) {
    return { reason: "StoreLoginRefused", message: error instanceof Error ? error.message : "unknown fault" };
  }
}
