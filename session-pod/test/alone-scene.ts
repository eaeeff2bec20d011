import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { alone, currentDataKey, parseMasterKey, storeKey } from "@wa/schema";
import type { Simulator } from "@wa/simulator";
import { createDatabase } from "../src/store/database.ts";
import { enqueueText } from "../src/store/enqueue.ts";
import { listInbox } from "../src/store/list-inbox.ts";
import type { Database } from "../src/store/schema.ts";
import { createSealer } from "../src/store/seal.ts";
import { messageText } from "../src/whatsapp/message-text.ts";
import type { AloneOptions, AloneProcess } from "./alone-process.ts";
import { until } from "./until.ts";

/** One account with a device of its own on PostgreSQL, and what the server, the store and a peer know of it. */
export class AloneScene implements AsyncDisposable {
  readonly simulator: Simulator;
  readonly phone: string;
  readonly peer: string;
  /** URL of the device's own database. */
  readonly url: string;
  readonly run: AloneOptions;
  readonly #key = storeKey(alone.installation, alone.namespace, "demo");

  static async open(options: Pick<AloneScene, "simulator" | "phone" | "peer" | "url">): Promise<AloneScene> {
    return new AloneScene(options, await mkdtemp(join(tmpdir(), "wa-alone-scene-")));
  }

  private constructor(
    { simulator, phone, peer, url }: Pick<AloneScene, "simulator" | "phone" | "peer" | "url">,
    folder: string,
  ) {
    this.simulator = simulator;
    this.phone = phone;
    this.peer = peer;
    this.url = url;
    this.run = { simulator, folder, environment: { WA_STORE: url } };
  }

  async isLinked(): Promise<boolean> {
    return Object.keys((await this.simulator.client.stats(this.phone)).devices).length > 0;
  }

  async device() {
    const [stats] = Object.values((await this.simulator.client.stats(this.phone)).devices);
    if (stats === undefined) throw new Error("no device of this account");
    return stats;
  }

  /** What the peer decrypted of this account, oldest first. */
  async sentTexts(): Promise<string[]> {
    const messages = await this.simulator.client.messages(this.peer);
    return messages.filter(({ from }) => from === this.phone).map(({ text }) => text);
  }

  /** How often the peer, or the account's own phone, could not read what the device sent. */
  async unreadable(): Promise<number> {
    const { retriesAsked } = await this.simulator.client.stats();
    return (retriesAsked[this.peer] ?? 0) + (retriesAsked[this.phone] ?? 0);
  }

  async textFromPeer(text: string): Promise<void> {
    await this.simulator.client.text(this.peer, this.phone, text);
  }

  async inboxTexts(): Promise<string[]> {
    return await this.#inStore(async (database, sealer) => {
      const texts: string[] = [];
      for await (const { plaintext } of listInbox(database, { device: this.#key, sealer }, 0))
        texts.push(messageText(plaintext) ?? "not a text");
      return texts;
    });
  }

  /** Puts texts for the peer into the outbox, past the process, as a gateway does. */
  async enqueue(...texts: readonly string[]): Promise<void> {
    const to = `${this.peer}@s.whatsapp.net`;
    await this.#inStore(async (database, sealer) => {
      for (const text of texts) await enqueueText(database, { device: this.#key, sealer }, { to, text });
    });
  }

  async queued(): Promise<number> {
    return await this.#count(async ({ db }) =>
      db.selectFrom("wa_outbox").select("message_id").where("state", "=", "Queued").execute(),
    );
  }

  async failed(): Promise<number> {
    return await this.#count(async ({ db }) =>
      db.selectFrom("wa_outbox").select("message_id").where("state", "=", "Failed").execute(),
    );
  }

  /** Prekeys that the server hands out although the store has no private half. */
  async preKeysWithoutPrivateHalf(): Promise<number[]> {
    const { preKeyIds = [] } = await this.device();
    const stored = await this.#inStore(async ({ db }) =>
      db.selectFrom("wa_value").select("id").where("type", "=", "pre-key").execute(),
    );
    const ids = new Set(stored.map(({ id }) => Number(id)));
    return preKeyIds.filter((id) => !ids.has(id));
  }

  /**
   * A text each way on a connected session; both ratchets have turned once afterwards. One after the other: two sides that
   * write their very first text at once begin two sessions, and the library's trial of the wrong one spoils it.
   */
  async exchange(session: AloneProcess, name: string): Promise<void> {
    await this.textFromPeer(`${name} in`);
    await until(`${name} in`, async () => (await this.device()).messagesPending === 0);
    session.send(`+${this.peer}`, `${name} out`);
    await until(`${name} out`, async () => {
      return (await this.sentTexts()).includes(`${name} out`) && (await this.queued()) === 0;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.run.folder, { recursive: true, force: true });
  }

  async #count(read: (database: Database) => Promise<readonly unknown[]>): Promise<number> {
    return (await this.#inStore(read)).length;
  }

  async #inStore<T>(work: (database: Database, sealer: ReturnType<typeof createSealer>) => Promise<T>): Promise<T> {
    const masterKey = parseMasterKey(await readFile(join(this.run.folder, "demo.key"), "utf8"));
    const database = createDatabase(this.url);
    try {
      return await work(database, createSealer(this.#key, [currentDataKey(masterKey, this.#key)]));
    } finally {
      await database.db.destroy();
    }
  }
}
