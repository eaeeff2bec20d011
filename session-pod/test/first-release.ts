import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { alone, currentDataKey, deriveCanaryKey, parseMasterKey, storeKey } from "@wa/schema";
import { Client } from "pg";
import type { Canary } from "../src/store/canary.ts";

/** A database that programs of the first release wrote; its README says what is in it. */
const folder = join(import.meta.dirname, "fixtures/store-7be18ba");
const masterKey = parseMasterKey(readFileSync(join(folder, "master-key.txt"), "utf8"));
const device = storeKey(alone.installation, alone.namespace, "demo");

export const firstRelease = {
  device,
  dataKeys: [currentDataKey(masterKey, device)],
  canary: { installation: alone.installation, keyBase64: deriveCanaryKey(masterKey) } satisfies Canary,
} as const;

/** Fills an empty database with it. */
export async function fillAsFirstRelease(url: string): Promise<void> {
  const isSqlite = url.startsWith("sqlite://");
  await runSql(url, readFileSync(join(folder, isSqlite ? "sqlite.sql" : "postgres.sql"), "utf8"));
}

/** Past every program of ours, on a connection that keeps nothing. */
export async function runSql(url: string, statements: string): Promise<void> {
  if (url.startsWith("sqlite://")) {
    using database = new DatabaseSync(url.slice("sqlite://".length));
    database.exec(statements);
    return;
  }
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statements);
  } finally {
    await client.end();
  }
}
