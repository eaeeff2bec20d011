import {
  FenceLostError,
  GenerationClosedError,
  type Commit,
  type GenerationStore,
  type OutboxMessage,
} from "../sessions/ports.ts";
import { tellMoment } from "../sessions/moments.ts";
import { addTo, contentsOf, emptyBatch, type Batch } from "./batch.ts";
import { inFence } from "./fence.ts";
import { findInbox, findOutbox } from "./messages.ts";
import { ReadCache } from "./read-cache.ts";
import { readValues, type OwnedDevice } from "./read-values.ts";
import { isRefusal } from "./refusals.ts";
import type { OnSetAside } from "./set-aside.ts";
import { untilDone, type OnTrouble } from "./trouble.ts";
import { sealBatch, writeBatch, type SealedBatch, type Writing } from "./write-batch.ts";

const cachedValues = 512;

interface Waiting {
  readonly batch: Batch;
  readonly outcome: PromiseWithResolvers<void>;
}

export interface GenerationOptions {
  readonly owned: OwnedDevice;
  readonly generation: number;
  /** Settles when the generation before has nothing under way any more. */
  readonly after: Promise<void>;
  readonly onTrouble: OnTrouble;
  readonly onSetAside: OnSetAside;
}

/** The store as one socket sees it: at most one transaction under way, everything that comes meanwhile merged into the next. */
export class Generation implements GenerationStore {
  readonly generation: number;
  readonly #owned: OwnedDevice;
  readonly #after: Promise<void>;
  readonly #onTrouble: OnTrouble;
  readonly #onSetAside: OnSetAside;
  readonly #end = new AbortController();
  readonly #cache = new ReadCache(cachedValues);
  #waiting: Waiting | undefined;
  #draining: Promise<void> | undefined;

  constructor({ owned, generation, after, onTrouble, onSetAside }: GenerationOptions) {
    this.generation = generation;
    this.#owned = owned;
    this.#after = after;
    this.#onTrouble = onTrouble;
    this.#onSetAside = onSetAside;
  }

  async get(type: string, ids: readonly string[]): Promise<ReadonlyMap<string, Uint8Array>> {
    const found = new Map<string, Uint8Array>();
    const unknown: string[] = [];
    for (const id of ids) {
      const cached = this.#cache.find(type, id);
      if (cached === undefined) unknown.push(id);
      else if (cached.value !== undefined) found.set(id, cached.value);
    }
    this.#end.signal.throwIfAborted();
    if (unknown.length > 0)
      for (const [id, value] of await this.#untilDone("get", () => this.#read(type, unknown))) found.set(id, value);
    return found;
  }

  async commit(commit: Commit): Promise<void> {
    this.#end.signal.throwIfAborted();
    this.#waiting ??= { batch: emptyBatch(), outcome: Promise.withResolvers() };
    const { batch, outcome } = this.#waiting;
    addTo(batch, commit);
    this.#draining ??= this.#drain();
    return await outcome.promise;
  }

  async readInbox(chat: string, sender: string, messageId: string): Promise<Uint8Array | undefined> {
    return await this.#untilDone("readInbox", () => findInbox(this.#owned, { chat, sender, messageId }));
  }

  async readOutbox(messageId: string): Promise<OutboxMessage | undefined> {
    return await this.#untilDone("readOutbox", () => findOutbox(this.#owned, messageId));
  }

  close(): void {
    this.#stop(new GenerationClosedError(`generation ${this.generation} is closed`));
  }

  /** Resolves when no statement of this generation is under way; call after {@link close}. */
  async settled(): Promise<void> {
    await this.#after;
    await this.#draining;
  }

  async #read(type: string, ids: readonly string[]): Promise<ReadonlyMap<string, Uint8Array>> {
    const writesBefore = this.#cache.writes;
    const values = await readValues(this.#owned, type, ids);
    this.#cache.keepRead(type, new Map(ids.map((id) => [id, values.get(id)])), writesBefore);
    return values;
  }

  /** Never rejects: each batch's outcome goes to those who wait for it. */
  async #drain(): Promise<void> {
    // Calls of the same turn of the event loop share the first transaction too.
    await Promise.resolve();
    for (let next = this.#take(); next !== undefined; next = this.#take())
      await this.#write(next.batch).then(next.outcome.resolve, next.outcome.reject);
    this.#draining = undefined;
  }

  #take(): Waiting | undefined {
    const next = this.#waiting;
    this.#waiting = undefined;
    return next;
  }

  async #write(batch: Batch): Promise<void> {
    const { fence, sealer } = this.#owned;
    const { device } = fence;
    const sealed = sealBatch(device, sealer, batch);
    const reached = (step: "begins" | "written" | "done"): void =>
      tellMoment(() => ({ kind: "commit", step, holds: contentsOf(batch) }));
    this.#cache.forget(batch);
    reached("begins");
    let writing: Writing = "Together";
    const asides = await this.#untilDone("commit", async () => {
      try {
        return await this.#transact(sealed, writing, () => reached("written"));
      } catch (error) {
        if (isRefusal(error)) writing = "OneByOne";
        throw error;
      }
    });
    reached("done");
    for (const reason of asides) this.#onSetAside({ device, reason });
    if (!this.#end.signal.aborted) this.#cache.keepWritten(batch);
  }

  /** One fenced transaction. What is refused although every message was tried by itself is no message's fault: an outage. */
  async #transact(batch: SealedBatch, writing: Writing, onWritten: () => void) {
    const { database, fence } = this.#owned;
    return await inFence(database, fence, async (trx) => {
      const asides = await writeBatch(trx, fence.device, batch, writing);
      onWritten();
      // Closed meanwhile: roll back rather than land behind the next generation's first read.
      this.#end.signal.throwIfAborted();
      return asides;
    });
  }

  async #untilDone<T>(operation: string, work: () => Promise<T>): Promise<T> {
    try {
      await this.#after;
      return await untilDone({ operation, signal: this.#end.signal, onTrouble: this.#onTrouble }, work);
    } catch (error) {
      if (error instanceof FenceLostError) this.#stop(error);
      throw error;
    }
  }

  #stop(reason: GenerationClosedError | FenceLostError): void {
    if (this.#end.signal.aborted) return;
    this.#end.abort(reason);
    this.#cache.clear();
  }
}
