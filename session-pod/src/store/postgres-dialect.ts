import {
  AbortedTransactionError,
  CompiledQuery,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type QueryResult,
} from "kysely";
import { DatabaseError, type PoolClient } from "pg";
import { RenewablePool, type Lent } from "./renewable-pool.ts";

const poolSize = 2;
const idleMs = 10_000;
const connectMs = 5_000;
/** How long one statement may take. The server gives up first, so that the client knows the outcome. */
const statementMs = { Session: 5_000, Migration: 600_000 } as const;
const clientMarginMs = 3_000;
const idleInTransactionMs = 15_000;

export type Patience = keyof typeof statementMs;

/** Everything a transaction needs is set inside it: PgBouncer's transaction mode shares server sessions between clients. */
const begin = (patience: Patience): string =>
  `begin; set local statement_timeout = ${statementMs[patience]}; set local idle_in_transaction_session_timeout = ${idleInTransactionMs}`;

/**
 * PostgreSQL by `pg` for kysely. Its own driver puts a connection whose query timed out on the client's side back into the pool,
 * where the unanswered query blocks the next one, for minutes when the network swallows packets; this one destroys it.
 */
export function postgresDialect(pool: RenewablePool, patience: Patience): Dialect {
  return {
    createAdapter: () => new PostgresAdapter(),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
    createDriver: () => new PooledDriver(pool, patience),
  };
}

/** Opens nothing yet. */
export function postgresPool(url: string, patience: Patience): RenewablePool {
  return new RenewablePool(url, {
    max: poolSize,
    idleTimeoutMillis: idleMs,
    connectionTimeoutMillis: connectMs,
    query_timeout: statementMs[patience] + clientMarginMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: idleMs,
    application_name: "whatsapp-session-pod",
  });
}

class PooledDriver implements Driver {
  readonly #pool: RenewablePool;
  readonly #patience: Patience;

  constructor(pool: RenewablePool, patience: Patience) {
    this.#patience = patience;
    this.#pool = pool;
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<PooledConnection> {
    return new PooledConnection(await this.#pool.lend());
  }

  async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw(begin(this.#patience)));
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw("commit"));
    if (connection instanceof PooledConnection && connection.lastCommand === "ROLLBACK")
      throw new AbortedTransactionError();
  }

  /** Never throws, so that the reason for the rollback is what the caller sees. */
  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    if (!(connection instanceof PooledConnection) || connection.isBroken) return;
    try {
      await connection.executeQuery(CompiledQuery.raw("rollback"));
    } catch {
      connection.isBroken = true;
    }
  }

  async releaseConnection(connection: DatabaseConnection): Promise<void> {
    if (connection instanceof PooledConnection) connection.release();
  }

  async destroy(): Promise<void> {
    await this.#pool.end();
  }
}

class PooledConnection implements DatabaseConnection {
  readonly #client: PoolClient;
  readonly #release: Lent["release"];
  isBroken = false;
  lastCommand = "";

  constructor({ client, release }: Lent) {
    this.#client = client;
    this.#release = release;
  }

  async executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    try {
      const parameters = [...query.parameters];
      const result = await (parameters.length > 0
        ? this.#client.query(query.sql, parameters)
        : this.#client.query(query.sql));
      this.lastCommand = result.command;
      return { rows: result.rows ?? [], numAffectedRows: BigInt(result.rowCount ?? 0) };
    } catch (error) {
      // Only the server's own word says that the connection is still in step.
      if (!(error instanceof DatabaseError)) this.isBroken = true;
      throw error;
    }
  }

  // oxlint-disable-next-line require-yield -- the interface asks for it; nothing here reads by cursor
  async *streamQuery<Row>(): AsyncIterableIterator<QueryResult<Row>> {
    throw new Error("reading by cursor is not supported");
  }

  release(): void {
    this.#release(this.isBroken);
  }
}
