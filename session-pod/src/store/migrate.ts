import { sql, type Transaction } from "kysely";
import { StoreRefusedError } from "../sessions/ports.ts";
import { checkCanary, type Canary } from "./canary.ts";
import { applyChange } from "./changes.ts";
import { createDatabase } from "./database.ts";
import { migrations, type Migration } from "./migrations.ts";
import { programVersion, type Database, type Tables } from "./schema.ts";

/** Any constant will do, as long as every session pod takes the same one. */
const migrationLock = 7_201_184_733;
/** A step that waits for a long backup would have everybody behind it wait; so it gives up, and the next try is soon. */
const lockWaitMs = 2_000;

/**
 * Brings the tables up to the newest step and checks the canary, in one transaction that other processes wait for. A database
 * with more steps than this program knows is left as it is. Throws StoreRefusedError, with nothing written, where the
 * database says that this program is too old for it, and for a canary that another master key made.
 */
export async function migrate(
  url: string,
  database: Database,
  canary: Canary,
  ladder: readonly Migration[] = migrations,
): Promise<void> {
  const isUpToDate = await locked(database, async (trx) => {
    const steps = await appliedSteps(database, trx);
    if (steps > 0) await checkCanary(trx, canary);
    return steps >= ladder.length;
  });
  if (!isUpToDate) await climb(url, canary, ladder);
}

/** On a connection of its own, whose patience is that of an index over all messages. */
async function climb(url: string, canary: Canary, ladder: readonly Migration[]): Promise<void> {
  const database = createDatabase(url, "Migration");
  try {
    await locked(database, async (trx) => {
      const steps = await appliedSteps(database, trx);
      for (const [index, { changes }] of ladder.entries()) {
        if (index < steps) continue;
        for (const change of changes) await applyChange(database, trx, change);
        await trx
          .updateTable("wa_schema")
          .set({ step: index + 1 })
          .execute();
      }
      await checkCanary(trx, canary);
    });
  } finally {
    await database.db.destroy();
  }
}

async function locked<T>(database: Database, work: (trx: Transaction<Tables>) => Promise<T>): Promise<T> {
  return await database.db.transaction().execute(async (trx) => {
    if (database.kind === "postgres") {
      await sql.raw(`set local lock_timeout = ${lockWaitMs}`).execute(trx);
      await sql`select pg_advisory_xact_lock(${migrationLock}::bigint)`.execute(trx);
    }
    return await work(trx);
  });
}

/** The first release counted no steps: a row of its making has the first one, which is the column's default. */
async function appliedSteps(database: Database, trx: Transaction<Tables>): Promise<number> {
  await sql`create table if not exists wa_schema (one integer primary key, version integer not null)`.execute(trx);
  const made = await trx.selectFrom("wa_schema").select("version").executeTakeFirst();
  if (made !== undefined && made.version > programVersion)
    throw new StoreRefusedError(
      "SchemaTooNew",
      `the store is for programs of schema version ${made.version} and newer; this one has ${programVersion}`,
    );
  await applyChange(database, trx, { kind: "column", table: "wa_schema", name: "step", type: "integer", default: 1 });
  if (made === undefined)
    await trx.insertInto("wa_schema").values({ one: 1, version: programVersion, step: 0 }).execute();
  return (await trx.selectFrom("wa_schema").select("step").executeTakeFirstOrThrow()).step;
}
