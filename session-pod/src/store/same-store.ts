import { createHash } from "node:crypto";
import { sql } from "kysely";
import { Client } from "pg";
import { createDatabase } from "./database.ts";
import type { Database } from "./schema.ts";
import { orUnavailable } from "./trouble.ts";

/** What identifies a store beside its place: the installation's canary, of which no two are alike. */
export type StoreMark = string;

export async function markOf(database: Database, installation: string): Promise<StoreMark> {
  const row = await database.db
    .selectFrom("wa_canary")
    .select("ciphertext")
    .where("installation", "=", installation)
    .executeTakeFirst();
  return row === undefined ? "" : Buffer.from(row.ciphertext).toString("base64");
}

const digestOf = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 12);

/** Server and database of a URL, as the driver reads it, without user, password and the rest. Throws for one that is none. */
export function placeOf(url: string): string {
  // A file's path is all of it.
  if (!/^postgres(ql)?:\/\//.test(url)) return `${/^[a-z0-9+.-]*:/.exec(url)?.[0] ?? "no"}${digestOf(url)}`;
  const { host, port, database = "" } = new Client({ connectionString: url });
  return `${host.toLowerCase()}:${port}/${database}`;
}

/**
 * Tries a login before it is taken up, on connections of its own: it opens the database with that mark, and may use its tables.
 * False: another database answers. Throws StoreUnavailableError where the login cannot be used; nothing is written.
 */
export async function opensSameStore(url: string, installation: string, mark: StoreMark): Promise<boolean> {
  const database = createDatabase(url);
  try {
    return await orUnavailable("login", async () => {
      if (!(await hasTables(database))) return false;
      if ((await markOf(database, installation)) !== mark) return false;
      await mustWrite(database);
      return true;
    });
  } finally {
    await database.db.destroy();
  }
}

async function hasTables({ db }: Database): Promise<boolean> {
  const { rows } = await sql<{ found: boolean }>`select to_regclass('wa_canary') is not null as found`.execute(db);
  return rows[0]?.found === true;
}

class RightsError extends Error {
  override readonly name = "RightsError";
  /** PostgreSQL's own, insufficient_privilege. */
  readonly code = "42501";
}

/** Another role may read what it may not write, which would be found with the first message. */
async function mustWrite({ db }: Database): Promise<void> {
  const { rows } = await sql<{ may: boolean }>`
    select bool_and(has_table_privilege(name, privilege)) as may
    from unnest(array['wa_device', 'wa_value', 'wa_inbox', 'wa_outbox', 'wa_archive']) as name,
      unnest(array['select', 'insert', 'update', 'delete']) as privilege`.execute(db);
  if (rows[0]?.may !== true) throw new RightsError("its role may not write the store's tables");
}
