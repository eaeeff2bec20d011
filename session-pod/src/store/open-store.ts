import type { ClaimRequest, ClaimResult, DeviceKey, DueMessage, OutboxQuestion, Store } from "../sessions/ports.ts";
import { sql } from "kysely";
import { StoreClaim, takeRow } from "./claim.ts";
import { createDatabase } from "./database.ts";
import { findPending } from "./messages.ts";
import { migrate } from "./migrate.ts";
import type { Database } from "./schema.ts";
import { orUnavailable, type OnTrouble } from "./trouble.ts";

export interface OpenStoreOptions {
  /** `sqlite://PATH` or `postgres://…`. */
  readonly url: string;
  readonly canaryKeyBase64: string;
  readonly installation: string;
  readonly onTrouble?: OnTrouble;
  /** Milliseconds since 1970. */
  readonly nowMs?: () => number;
}

/**
 * Opens the store, making its tables where they are missing. Throws StoreUnavailableError where the database does not answer,
 * StoreRefusedError for a database that wants a newer program, or another master key; nothing stays open then.
 */
export async function openStore(options: OpenStoreOptions): Promise<Store> {
  const database = await openDatabase(options);
  return new SqlStore(database, options.onTrouble ?? (() => undefined), options.nowMs ?? Date.now);
}

/** As {@link openStore}, for those who use the tables without claiming a device. */
export async function openDatabase({
  url,
  canaryKeyBase64,
  installation,
}: Pick<OpenStoreOptions, "url" | "canaryKeyBase64" | "installation">): Promise<Database> {
  const database = createDatabase(url);
  try {
    await orUnavailable("open", () => migrate(url, database, { installation, keyBase64: canaryKeyBase64 }));
    return database;
  } catch (error) {
    await database.db.destroy();
    throw error;
  }
}

class SqlStore implements Store {
  readonly #database: Database;
  readonly #onTrouble: OnTrouble;
  readonly #nowMs: () => number;
  readonly #claims = new Map<DeviceKey, StoreClaim>();

  constructor(database: Database, onTrouble: OnTrouble, nowMs: () => number) {
    this.#database = database;
    this.#onTrouble = onTrouble;
    this.#nowMs = nowMs;
  }

  async claim(request: ClaimRequest): Promise<ClaimResult> {
    const taken = await orUnavailable("claim", () => takeRow(this.#database, request));
    if (taken.kind === "Refused") return taken;
    const claim = new StoreClaim({
      database: this.#database,
      fence: taken.fence,
      dataKeys: request.dataKeys,
      onTrouble: this.#onTrouble,
      nowMs: this.#nowMs,
    });
    await this.#claims.get(request.device)?.closeGeneration();
    this.#claims.set(request.device, claim);
    return { kind: "Granted", claim };
  }

  async pendingOutbox(devices: readonly OutboxQuestion[]): Promise<ReadonlyMap<DeviceKey, readonly DueMessage[]>> {
    const readers = devices.flatMap(({ device, epoch, underWay }) => {
      const sealer = this.#claims.get(device)?.sealer;
      return sealer ? [{ device, epoch, sealer, underWay }] : [];
    });
    const at = { nowMs: this.#nowMs(), onTrouble: this.#onTrouble };
    return await orUnavailable("pendingOutbox", () => findPending(this.#database, readers, at));
  }

  async ping(): Promise<void> {
    await orUnavailable("ping", () => sql`select 1`.execute(this.#database.db));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#claims.values()].map((claim) => claim.closeGeneration()));
    await this.#database.db.destroy();
  }
}
