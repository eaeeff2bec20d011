import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { z } from "zod";
import { createDatabase } from "../src/store/database.ts";
import { binaries } from "./postgres.ts";

const run = promisify(execFile);

export interface StoreCopy extends AsyncDisposable {
  /** Puts the copy in the store's place, as docs/backup-and-restore.md says. */
  putBack(): Promise<void>;
}

/** A copy of a whole store: `pg_dump`, or the SQLite file of a process that has ended. */
export async function copyStore(url: string): Promise<StoreCopy> {
  const folder = await mkdtemp(join(tmpdir(), "wa-copy-"));
  const putBack = url.startsWith("sqlite://")
    ? await copyFiles(url.slice("sqlite://".length), folder)
    : await dump(url, join(folder, "whatsapp.dump"));
  return { putBack, [Symbol.asyncDispose]: async () => await rm(folder, { recursive: true }) };
}

async function dump(url: string, file: string): Promise<StoreCopy["putBack"]> {
  await run(`${binaries}/pg_dump`, ["-Fc", "-f", file, url]);
  return async () => void (await run(`${binaries}/pg_restore`, ["--clean", "--if-exists", "-d", url, file]));
}

/** The write-ahead log belongs to the file: one without the other is another store. */
async function copyFiles(path: string, folder: string): Promise<StoreCopy["putBack"]> {
  const parts = ["", "-wal", "-shm"];
  const copy = async (from: string, to: string): Promise<void> => {
    for (const part of parts) {
      await rm(`${to}${part}`, { force: true });
      if (existsSync(`${from}${part}`)) await cp(`${from}${part}`, `${to}${part}`);
    }
  };
  const kept = join(folder, "store");
  await copy(path, kept);
  return async () => await copy(kept, path);
}

const tables = ["wa_schema", "wa_canary", "wa_device", "wa_value", "wa_inbox", "wa_outbox", "wa_archive"] as const;

/** All rows of a store, sorted. */
export async function rowsOf(url: string): Promise<readonly string[]> {
  const { db } = createDatabase(url);
  const found = await Promise.all(tables.map(async (table) => await db.selectFrom(table).selectAll().execute()));
  await db.destroy();
  return z
    .array(z.array(z.record(z.string(), z.unknown())))
    .parse(found)
    .flatMap((rows, index) => rows.map((row) => `${tables[index]} ${JSON.stringify(row)}`))
    .toSorted();
}
