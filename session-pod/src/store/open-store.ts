import type {
  ClaimRequest,
  ClaimResult,
  DeviceKey,
  DueMessage,
  OutboxQuestion,
  RenewableStore,
} from "../sessions/ports.ts";
import { sql } from "kysely";
import { StoreClaim, takeRow } from "./claim.ts";
import { createDatabase, type RenewableDatabase } from "./database.ts";
import { findPending } from "./messages.ts";
import { migrate } from "./migrate.ts";
import { markOf, opensSameStore, placeOf, type StoreMark } from "./same-store.ts";
import type { OnSetAside } from "./set-aside.ts";
import { orUnavailable, type OnTrouble } from "./trouble.ts";

export interface OpenStoreOptions {
  /** `sqlite://PATH` or `postgres://…`. */
  readonly url: string;
  readonly canaryKeyBase64: string;
  readonly installation: string;
  readonly onTrouble?: OnTrouble;
  readonly onSetAside?: OnSetAside;
  /** Milliseconds since 1970. */
  readonly nowMs?: () => number;
}

/**
 * Opens the store, making its tables where they are missing. Throws StoreUnavailableError where the database does not answer,
 * StoreRefusedError for a database that wants a newer program, or another master key; nothing stays open then.
 */
export async function openStore(options: OpenStoreOptions): Promise<RenewableStore> {
  const database = await openDatabase(options);
  try {
    const mark = await orUnavailable("open", () => markOf(database, options.installation));
    return new SqlStore(database, mark, options);
  } catch (error) {
    await database.db.destroy();
    throw error;
  }
}

/** As {@link openStore}, for those who use the tables without claiming a device. */
export async function openDatabase({
  url,
  canaryKeyBase64,
  installation,
}: Pick<OpenStoreOptions, "url" | "canaryKeyBase64" | "installation">): Promise<RenewableDatabase> {
  const database = createDatabase(url);
  try {
    await orUnavailable("open", () => migrate(url, database, { installation, keyBase64: canaryKeyBase64 }));
    return database;
  } catch (error) {
    await database.db.destroy();
    throw error;
  }
}

type Environment = Required<Pick<OpenStoreOptions, "onTrouble" | "onSetAside" | "nowMs">>;

class SqlStore implements RenewableStore {
  readonly #database: RenewableDatabase;
  readonly #mark: StoreMark;
  readonly #installation: string;
  #url: string;
  readonly #environment: Environment;
  readonly #claims = new Map<DeviceKey, StoreClaim>();

  constructor(database: RenewableDatabase, mark: StoreMark, { url, installation, ...environment }: OpenStoreOptions) {
    this.#database = database;
    this.#mark = mark;
    this.#url = url;
    this.#installation = installation;
    const { onTrouble = () => undefined, onSetAside = () => undefined, nowMs = Date.now } = environment;
    this.#environment = { onTrouble, onSetAside, nowMs };
  }

  async claim(request: ClaimRequest): Promise<ClaimResult> {
    const taken = await orUnavailable("claim", () => takeRow(this.#database, request));
    if (taken.kind === "Refused") return taken;
    const claim = new StoreClaim({
      database: this.#database,
      fence: taken.fence,
      dataKeys: request.dataKeys,
      ...this.#environment,
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
    const { nowMs, onTrouble } = this.#environment;
    const at = { nowMs: nowMs(), onTrouble };
    return await orUnavailable("pendingOutbox", () => findPending(this.#database, readers, at));
  }

  async relogin(url: string): Promise<{ kind: "Taken" } | { kind: "OtherStore"; message: string }> {
    if (url === this.#url) return { kind: "Taken" };
    const [before, next] = await orUnavailable("login", async () => [placeOf(this.#url), placeOf(url)] as const);
    if (before !== next) return { kind: "OtherStore", message: `works with ${before}, and told is ${next}` };
    if (!(await opensSameStore(url, this.#installation, this.#mark)))
      return { kind: "OtherStore", message: `at ${next} another database answers: it has not this store's mark` };
    this.#database.replaceUrl(url);
    this.#url = url;
    return { kind: "Taken" };
  }

  async ping(): Promise<void> {
    await orUnavailable("ping", () => sql`select 1`.execute(this.#database.db));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#claims.values()].map((claim) => claim.closeGeneration()));
    await this.#database.db.destroy();
  }
}
