import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { currentDataKey, deriveCanaryKey, storeKey } from "@wa/schema";
import type { Claim, RenewableStore, Store } from "../src/sessions/ports.ts";
import { openStore, type OpenStoreOptions } from "../src/store/open-store.ts";
import { startPostgres } from "./postgres.ts";

export const installation = "test/wa";
export const masterKey = Buffer.alloc(32, 1);

/** A kind of database on which tests make as many empty ones as they want. */
export interface Databases {
  freshUrl(): Promise<string>;
  stop(): Promise<void>;
}

export async function startSqlite(): Promise<Databases> {
  const folder = await mkdtemp(join(tmpdir(), "wa-store-"));
  return {
    freshUrl: async () => `sqlite://${join(folder, `${randomUUID()}.db`)}`,
    stop: () => rm(folder, { recursive: true, force: true }),
  };
}

async function startPostgresDatabases(): Promise<Databases> {
  const server = await startPostgres();
  return {
    freshUrl: () => server.createDatabase(`t${randomUUID().replaceAll("-", "")}`),
    stop: () => server.stop(),
  };
}

export const databaseKinds = [
  ["sqlite", startSqlite],
  ["postgres", startPostgresDatabases],
] as const;

export function open(url: string, changes: Partial<OpenStoreOptions> = {}): Promise<RenewableStore> {
  return openStore({ url, installation, canaryKeyBase64: deriveCanaryKey(masterKey), ...changes });
}

export function deviceKey(name: string): string {
  return storeKey(installation, "shop", name);
}

export function claimRequest(name: string, epoch: number, owner = "pod-a") {
  const device = deviceKey(name);
  return { device, epoch, owner, dataKeys: [currentDataKey(masterKey, device)] };
}

/** The claim, or an error where the store refused it. */
export async function claimed(store: Store, name: string, epoch = 1, owner = "pod-a"): Promise<Claim> {
  const result = await store.claim(claimRequest(name, epoch, owner));
  if (result.kind === "Refused") throw new Error(`refused: the store has epoch ${result.storedEpoch}`);
  return result.claim;
}

export const bytes = (text: string): Uint8Array => Buffer.from(text);
export const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : Buffer.from(value).toString();

export const put = (id: string, value: string, type = "session") => ({ type, id, value: bytes(value) });

/** Values of a type as text, by id. */
export async function values(
  generation: { get(type: string, ids: readonly string[]): Promise<ReadonlyMap<string, Uint8Array>> },
  ids: readonly string[],
  type = "session",
): Promise<Record<string, string>> {
  const found = await generation.get(type, ids);
  return Object.fromEntries([...found].map(([id, value]) => [id, Buffer.from(value).toString()]));
}
