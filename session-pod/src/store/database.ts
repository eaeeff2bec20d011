import { Kysely } from "kysely";
import { postgresDialect, type Patience } from "./postgres-dialect.ts";
import type { Database } from "./schema.ts";
import { sqliteDialect } from "./sqlite-dialect.ts";

const sqlitePrefix = "sqlite://";

/**
 * Opens nothing yet; the first query does. `url`: `sqlite://PATH` (`sqlite:///var/lib/wa.db` is absolute) or `postgres://…`.
 * Throws for any other; the message holds no part of the URL but its scheme, since URLs carry passwords.
 * @param patience how long a server may take for one statement
 */
export function createDatabase(url: string, patience: Patience = "Session"): Database {
  if (url.startsWith(sqlitePrefix) && url.length > sqlitePrefix.length)
    return { kind: "sqlite", db: new Kysely({ dialect: sqliteDialect(url.slice(sqlitePrefix.length)) }) };
  if (/^postgres(ql)?:\/\//.test(url))
    return { kind: "postgres", db: new Kysely({ dialect: postgresDialect(url, patience) }) };
  const scheme = /^[a-z0-9+.-]*:/.exec(url)?.[0] ?? "no scheme";
  throw new Error(`the store's URL has ${scheme}; allowed are sqlite://PATH and postgres://…`);
}
