import { sql, type Transaction } from "kysely";
import type { Database, DatabaseKind, Tables } from "./schema.ts";

/** `sequence`: the table's primary key, which rises with each row. */
type ColumnType = "text" | "integer" | "bigint" | "bytes" | "sequence";

interface TableChange {
  readonly kind: "table";
  readonly name: string;
  readonly columns: Readonly<Record<string, ColumnType>>;
  readonly primaryKey?: readonly string[];
  readonly unique?: readonly string[];
}

interface ColumnChange {
  readonly kind: "column";
  readonly table: string;
  readonly name: string;
  readonly type: Exclude<ColumnType, "sequence">;
  /** What the column holds in rows of programs that do not know it; null makes it nullable. */
  readonly default: string | number | null;
}

interface IndexChange {
  readonly kind: "index";
  readonly name: string;
  readonly table: string;
  readonly columns: readonly string[];
  /** SQL; for rows that are looked for among many that are not. */
  readonly where?: string;
}

/**
 * What a step of the ladder may do. There is no word for taking away, renaming or making unique: programs of the release
 * before go on with the database, and a rollback finds all that it knows.
 */
export type Change = TableChange | ColumnChange | IndexChange;

const types: Readonly<Record<DatabaseKind, Readonly<Record<ColumnType, string>>>> = {
  postgres: { text: "text", integer: "integer", bigint: "bigint", bytes: "bytea", sequence: "bigserial primary key" },
  sqlite: {
    text: "text",
    integer: "integer",
    bigint: "bigint",
    bytes: "blob",
    sequence: "integer primary key autoincrement",
  },
};

/**
 * Does nothing where the change is there already: on a database that commits each definition by itself, a step that was
 * stopped in its middle is run again from its start.
 */
export async function applyChange({ kind }: Pick<Database, "kind">, trx: Transaction<Tables>, change: Change) {
  if (change.kind === "column" && (await hasColumn(kind, trx, change))) return;
  await sql.raw(statementOf(kind, change)).execute(trx);
}

function statementOf(kind: DatabaseKind, change: Change): string {
  switch (change.kind) {
    case "table":
      return `create table if not exists ${change.name} (${tableParts(kind, change).join(", ")})`;
    case "column":
      return `alter table ${change.table} add column ${change.name} ${types[kind][change.type]} ${defaultOf(change)}`;
    case "index":
      return `create index if not exists ${change.name} on ${change.table} (${change.columns.join(", ")})${
        change.where === undefined ? "" : ` where ${change.where}`
      }`;
    default:
      return change satisfies never;
  }
}

function tableParts(kind: DatabaseKind, { columns, primaryKey, unique }: TableChange): string[] {
  return [
    ...Object.entries(columns).map(
      ([name, type]) => `${name} ${types[kind][type]}${type === "sequence" ? "" : " not null"}`,
    ),
    ...(primaryKey ? [`primary key (${primaryKey.join(", ")})`] : []),
    ...(unique ? [`unique (${unique.join(", ")})`] : []),
  ];
}

function defaultOf({ default: value }: ColumnChange): string {
  if (value === null) return "";
  return `not null default ${typeof value === "number" ? value : `'${value.replaceAll("'", "''")}'`}`;
}

async function hasColumn(kind: DatabaseKind, trx: Transaction<Tables>, { table, name }: ColumnChange) {
  const found =
    kind === "sqlite"
      ? sql`select 1 from pragma_table_info(${table}) where name = ${name}`
      : sql`select 1 from information_schema.columns
          where table_schema = current_schema() and table_name = ${table} and column_name = ${name}`;
  return (await found.execute(trx)).rows.length > 0;
}
