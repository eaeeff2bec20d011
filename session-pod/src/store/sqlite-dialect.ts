import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import {
  CompiledQuery,
  SqliteAdapter,
  SqliteDriver,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type DatabaseConnection,
  type Dialect,
  type SqliteDatabase,
  type SqliteStatement,
} from "kysely";
import { z } from "zod";

/** SQLite waits inside the call, which holds the event loop; so it waits shortly and we ask again. */
const busyInCallMs = 20;
const busyPauseMs = 15;
const busyMs = 2_000;
const SqliteBusy = z.object({ errcode: z.number().refine((code) => (code & 0xff) === 5 || (code & 0xff) === 6) });

/** SQLite as Node 24 brings it, for kysely: one connection to one file, which kysely hands out to one user at a time. */
export function sqliteDialect(path: string): Dialect {
  let opened: DatabaseSync | undefined;
  return {
    createAdapter: () => new SqliteAdapter(),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
    createDriver: () =>
      new ImmediateDriver(
        async () => adapt((opened = await openFile(path))),
        () => opened?.isTransaction === true,
      ),
  };
}

/** `BEGIN IMMEDIATE` takes the write lock at once: nothing read in the transaction can be out of date when it writes. */
class ImmediateDriver extends SqliteDriver {
  readonly #isInTransaction: () => boolean;

  constructor(database: () => Promise<SqliteDatabase>, isInTransaction: () => boolean) {
    super({ database });
    this.#isInTransaction = isInTransaction;
  }

  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await whileBusy(() => connection.executeQuery(CompiledQuery.raw("begin immediate")));
  }

  /** SQLite itself rolls back on some errors (a full disk), and refuses to do it again. */
  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    if (this.#isInTransaction()) await super.rollbackTransaction(connection);
  }
}

async function openFile(path: string): Promise<DatabaseSync> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  closeSync(openSync(path, "a", 0o600));
  const database = new DatabaseSync(path, { timeout: busyInCallMs });
  try {
    // FULL: a commit that was reported survives a power cut, as it does on PostgreSQL.
    await whileBusy(async () => database.exec("pragma journal_mode = wal; pragma synchronous = full"));
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

async function whileBusy<T>(attempt: () => Promise<T>): Promise<T> {
  const giveUpAtMs = performance.now() + busyMs;
  for (;;)
    try {
      return await attempt();
    } catch (error) {
      if (!SqliteBusy.safeParse(error).success || performance.now() > giveUpAtMs) throw error;
      await sleep(busyPauseMs);
    }
}

function adapt(database: DatabaseSync): SqliteDatabase {
  return { close: () => database.close(), prepare: (sql) => adaptStatement(database.prepare(sql)) };
}

function adaptStatement(statement: StatementSync): SqliteStatement {
  // As numbers, one integer beyond 2^53 in one row would fail the whole page of rows.
  statement.setReadBigInts(true);
  return {
    reader: statement.columns().length > 0,
    all: (parameters) => statement.all(...parameters.map(parameter)).map(withNumbers),
    run: (parameters) => statement.run(...parameters.map(parameter)),
    iterate: (parameters) => statement.iterate(...parameters.map(parameter)),
  };
}

/** What is too large to be exact is too large for anything of ours. */
function withNumbers(row: Record<string, SQLOutputValue>): Record<string, unknown> {
  const entries = Object.entries(row).map(([name, value]) => [name, typeof value === "bigint" ? Number(value) : value]);
  return Object.fromEntries(entries);
}

function parameter(value: unknown): SQLInputValue {
  if (value === null || typeof value === "string" || typeof value === "number" || value instanceof Uint8Array)
    return value;
  throw new TypeError(`a parameter of type ${typeof value} does not fit SQLite`);
}
