import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";

export interface StoreWatchOptions {
  /** The store's URL, as its Secret says now. */
  readonly read: () => Promise<string>;
  readonly onUrl: (url: string) => void;
  readonly logger: Logger;
  readonly everyMs?: number;
}

/** A Secret is read by its name: to watch one, a right would be needed to see every Secret of the namespace. */
const everyMs = 10_000;

/** Looks at the store's Secret for as long as this process leads. What cannot be used is said once, and the URL of before stays. */
export class StoreWatch implements AsyncDisposable {
  readonly #options: StoreWatchOptions;
  readonly #ended = new AbortController();
  readonly #running: Promise<void>;
  #fault = "";

  constructor(options: StoreWatchOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#ended;
    while (!signal.aborted) {
      await delay(this.#options.everyMs ?? everyMs, undefined, { signal }).catch(() => undefined);
      if (!signal.aborted) await this.#look();
    }
  }

  async #look(): Promise<void> {
    const { read, onUrl, logger } = this.#options;
    try {
      onUrl(await read());
      this.#fault = "";
    } catch (error) {
      const fault = error instanceof Error ? error.message : "unknown fault";
      if (fault !== this.#fault)
        logger.warn({ fault }, "store's Secret not read; session pods keep what they were told");
      this.#fault = fault;
    }
  }
}
