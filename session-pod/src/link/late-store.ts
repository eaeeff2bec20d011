import type { ClaimRequest, ClaimResult, DeviceKey, DueMessage, OutboxQuestion, Store } from "../sessions/ports.ts";

/** A store that is opened by who needs it first, and again as long as that fails: every session then says what is wrong itself. */
export class LateStore implements Store {
  readonly #open: () => Promise<Store>;
  #opening: Promise<Store> | undefined;

  constructor(open: () => Promise<Store>) {
    this.#open = open;
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
    const store = await this.#opening?.catch(() => undefined);
    await store?.[Symbol.asyncDispose]();
  }

  async #store(): Promise<Store> {
    const opening = (this.#opening ??= this.#open());
    try {
      return await opening;
    } catch (error) {
      if (this.#opening === opening) this.#opening = undefined;
      throw error;
    }
  }
}
