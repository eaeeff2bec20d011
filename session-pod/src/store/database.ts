import { Kysely } from "kysely";
import { postgresDialect, postgresPool, type Patience } from "./postgres-dialect.ts";
import type { Database, Tables } from "./schema.ts";
import { sqliteDialect } from "./sqlite-dialect.ts";

const sqlitePrefix = "sqlite://";

/** A database whose connections may be made by another URL from now on; the caller knows that it is the same database. */
export interface RenewableDatabase extends Database {
  readonly replaceUrl: (url: string) => void;
}

/**
 * Opens nothing yet; the first query does. `url`: `sqlite://PATH` (`sqlite:///var/lib/wa.db` is absolute) or `postgres://…`.
 * Throws for any other; the message holds no part of the URL but its scheme, since URLs carry passwords.
 * @param patience how long a server may take for one statement
 */
export function createDatabase(url: string, patience: Patience = "Session"): RenewableDatabase {
  if (url.startsWith(sqlitePrefix) && url.length > sqlitePrefix.length) {
    const db = new Kysely<Tables>({ dialect: sqliteDialect(url.slice(sqlitePrefix.length)) });
    return { kind: "sqlite", db, replaceUrl: () => undefined };
  }
  if (/^postgres(ql)?:\/\//.test(url)) {
    const pool = postgresPool(url, patience);
    const db = new Kysely<Tables>({ dialect: postgresDialect(pool, patience) });
    return { kind: "postgres", db, replaceUrl: (next) => pool.replaceUrl(next) };
  }
  const scheme = /^[a-z0-9+.-]*:/.exec(url)?.[0] ?? "no scheme";
  throw new Error(`the store's URL has ${scheme}; allowed are sqlite://PATH and postgres://…`);
}
