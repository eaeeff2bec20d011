import { sql, type Transaction } from "kysely";
import { StoreRefusedError } from "../sessions/ports.ts";
import { createStatements, schemaVersion, type Database, type Tables } from "./schema.ts";
import { decrypt, encrypt } from "./seal.ts";

/** Any constant will do, as long as every session pod takes the same one. */
const migrationLock = 7_201_184_733;
const canaryText = Buffer.from("whatsapp-operator");

/** Proof that this process has the installation's master key. */
export interface Canary {
  readonly installation: string;
  readonly keyBase64: string;
}

/**
 * Makes the tables where they are missing and checks the canary, in one transaction that other processes wait for.
 * Throws StoreRefusedError, with nothing written, for a newer schema or a canary that another master key made.
 */
export async function migrate(database: Database, canary: Canary): Promise<void> {
  await database.db.transaction().execute(async (trx) => {
    if (database.kind === "postgres") await sql`select pg_advisory_xact_lock(${migrationLock}::bigint)`.execute(trx);
    await createTables(database, trx);
    await checkCanary(trx, canary);
  });
}

async function createTables(database: Database, trx: Transaction<Tables>): Promise<void> {
  await sql`create table if not exists wa_schema (one integer primary key, version integer not null)`.execute(trx);
  const row = await trx.selectFrom("wa_schema").select("version").executeTakeFirst();
  if (row !== undefined && row.version > schemaVersion)
    throw new StoreRefusedError(
      "SchemaTooNew",
      `the store has schema version ${row.version}; this program knows up to ${schemaVersion}`,
    );
  if (row !== undefined) return;
  for (const statement of createStatements(database.kind)) await sql.raw(statement).execute(trx);
  await trx.insertInto("wa_schema").values({ one: 1, version: schemaVersion }).execute();
}

async function checkCanary(trx: Transaction<Tables>, { installation, keyBase64 }: Canary): Promise<void> {
  const key = Buffer.from(keyBase64, "base64");
  const associated = Buffer.from(installation);
  const row = await trx
    .selectFrom("wa_canary")
    .select("ciphertext")
    .where("installation", "=", installation)
    .executeTakeFirst();
  if (row === undefined) {
    const ciphertext = encrypt(key, associated, canaryText);
    await trx.insertInto("wa_canary").values({ installation, ciphertext }).execute();
    return;
  }
  const plain = decrypt(key, associated, row.ciphertext);
  if (plain === undefined || !canaryText.equals(plain))
    throw new StoreRefusedError(
      "MasterKeyMismatch",
      `the store was filled with another master key of installation ${installation}`,
    );
}
