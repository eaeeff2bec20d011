import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { StoreUnavailableError } from "../src/sessions/ports.ts";
import { applyChange } from "../src/store/changes.ts";
import { createDatabase } from "../src/store/database.ts";
import { listInbox } from "../src/store/list-inbox.ts";
import { migrate } from "../src/store/migrate.ts";
import { migrations, type Migration } from "../src/store/migrations.ts";
import { openStore } from "../src/store/open-store.ts";
import type { Database } from "../src/store/schema.ts";
import { createSealer } from "../src/store/seal.ts";
import { orUnavailable } from "../src/store/trouble.ts";
import { messageText } from "../src/whatsapp/message-text.ts";
import { fillAsFirstRelease, firstRelease, runSql } from "./first-release.ts";
import { databaseKinds, open, type Databases } from "./store-fixture.ts";

const { canary, device, dataKeys } = firstRelease;
const newest = migrations.length;

/** One step with each kind of change, above those of this program. */
const nextRelease: readonly Migration[] = [
  ...migrations,
  {
    name: "of the next release",
    changes: [
      { kind: "column", table: "wa_inbox", name: "colour", type: "text", default: "it's blue" },
      { kind: "column", table: "wa_outbox", name: "due_ms", type: "bigint", default: null },
      { kind: "table", name: "wa_next", columns: { seq: "sequence", device: "text" }, unique: ["device"] },
      {
        kind: "index",
        name: "wa_outbox_due",
        table: "wa_outbox",
        columns: ["device", "due_ms"],
        where: "state = 'Queued'",
      },
    ],
  },
];

/** What the first release's programs say to a database, in their own words. */
const asFirstRelease = (name: string) => [
  `create table if not exists wa_schema (one integer primary key, version integer not null)`,
  `insert into wa_device (key, epoch, owner, incarnation) values ('${name}', 1, 'pod', 1)`,
  `insert into wa_value (device, type, id, key_id, ciphertext) values ('${name}', 'session', 'a', 'k', '')`,
  `insert into wa_inbox (device, chat, sender, message_id, timestamp_ms, key_id, ciphertext)
    values ('${name}', 'c', 's', 'm', 1, 'k', '') on conflict (device, chat, sender, message_id) do nothing`,
  `insert into wa_outbox (device, message_id, state, error, created_ms, key_id, ciphertext)
    values ('${name}', 'm', 'Queued', '', 1, 'k', '')`,
  `insert into wa_archive (device, type, id, key_id, ciphertext, archived_ms, reason)
    values ('${name}', 'session', 'a', 'k', '', 1, 'LoggedOut')`,
];

describe.each(databaseKinds)("the ladder on %s", (_kind, start) => {
  let databases: Databases;
  let url: string;
  beforeAll(async () => {
    databases = await start();
  });
  afterAll(() => databases.stop());
  beforeEach(async () => {
    url = await databases.freshUrl();
  });

  async function inDatabase<T>(work: (database: Database) => Promise<T>, of = url): Promise<T> {
    const database = createDatabase(of);
    try {
      return await work(database);
    } finally {
      await database.db.destroy();
    }
  }
  const climb = async (ladder = migrations, of = url, by = canary) =>
    await inDatabase(async (database) => await orUnavailable("open", () => migrate(of, database, by, ladder)), of);
  const schemaRow = async () =>
    await inDatabase(async ({ db }) => (await sql<object>`select * from wa_schema`.execute(db)).rows);
  /** Every column of ours with its type, and every index. */
  const shape = async (of = url) =>
    await inDatabase(async ({ kind, db }) => {
      const query =
        kind === "sqlite"
          ? sql<{ what: string }>`select m.name || '.' || c.name || ' ' || c.type || ' ' || c."notnull" as what
              from sqlite_master m, pragma_table_info(m.name) c where m.type = 'table' and c.pk = 0
              union select m.name || ' of ' || m.tbl_name from sqlite_master m where m.type = 'index'
              union select m.name || ' key ' || group_concat(c.name) from sqlite_master m, pragma_index_list(m.name) i, pragma_index_info(i.name) c
                where m.type = 'table' group by m.name, i.name`
          : sql<{
              what: string;
            }>`select table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable as what
              from information_schema.columns where table_schema = 'public'
              union select indexdef from pg_indexes where schemaname = 'public'`;
      return (await query.execute(db)).rows.map(({ what }) => what).sort();
    }, of);

  it("leads from what the first release wrote, with everything in it, to the tables of a new installation", async () => {
    await fillAsFirstRelease(url);
    const { keyBase64: canaryKeyBase64, installation } = canary;
    await using store = await openStore({ url, installation, canaryKeyBase64 });
    const result = await store.claim({ device, epoch: 9, owner: "pod-a", dataKeys });
    if (result.kind === "Refused") throw new Error("refused");
    const { claim } = result;
    expect(JSON.parse(Buffer.from((await claim.readCreds()) ?? []).toString())).toMatchObject({ format: 1 });
    const ids = ["1", "5", "9"];
    expect([...(await claim.openGeneration().get("pre-key", ids)).keys()].length).toBeGreaterThan(0);
    const pending = await store.pendingOutbox([claim]);
    expect(pending.get(device)).toMatchObject([{ text: "left to send" }]);
    const texts = await inDatabase(async (database) => {
      const found = [];
      const sealer = createSealer(device, dataKeys);
      for await (const { plaintext } of listInbox(database, { device, sealer }, 0)) found.push(messageText(plaintext));
      return found;
    });
    expect(texts).toEqual(["first in", "second in"]);
    expect(await schemaRow()).toEqual([{ one: 1, version: 1, step: newest }]);
    const rows = await inDatabase(async ({ db }) => ({
      states: await db.selectFrom("wa_outbox").select("state").orderBy("seq").execute(),
      archived: await db.selectFrom("wa_archive").select("reason").distinct().execute(),
    }));
    expect(rows).toEqual({
      states: [{ state: "Sent" }, { state: "Failed" }, { state: "Queued" }],
      archived: [{ reason: "LoggedOut" }],
    });

    const empty = await databases.freshUrl();
    await climb(migrations, empty);
    expect(await shape(url)).toEqual(await shape(empty));
  });

  it("leaves a database that programs of the first release read and write", async () => {
    await fillAsFirstRelease(url);
    await climb(nextRelease);
    await runSql(url, asFirstRelease("d1").join(";"));
    const fresh = await databases.freshUrl();
    await climb(nextRelease, fresh);
    await runSql(fresh, asFirstRelease("d1").join(";"));
    for (const of of [url, fresh]) {
      const rows = await inDatabase(
        async ({ db }) =>
          (
            await sql`select version, colour, due_ms from wa_schema, wa_inbox, wa_outbox
            where wa_inbox.device = 'd1' and wa_outbox.device = 'd1'`.execute(db)
          ).rows,
        of,
      );
      // They go on where the version is not above one.
      expect(rows).toEqual([{ version: 1, colour: "it's blue", due_ms: null }]);
    }
  });

  it("can be climbed again from wherever it was stopped, a definition that nothing counted among them", async () => {
    const changes = nextRelease.flatMap((step) => step.changes);
    const whole = await databases.freshUrl();
    await climb(nextRelease, whole);
    for (let done = 0; done <= changes.length; done += 1) {
      const stopped = await databases.freshUrl();
      await inDatabase(async (database) => {
        await sql`create table wa_schema (one integer primary key, version integer not null)`.execute(database.db);
        await sql`alter table wa_schema add column step integer not null default 1`.execute(database.db);
        await sql`insert into wa_schema (one, version, step) values (1, 1, 0)`.execute(database.db);
        await database.db.transaction().execute(async (trx) => {
          for (const change of changes.slice(0, done)) await applyChange(database, trx, change);
        });
      }, stopped);
      await climb(nextRelease, stopped);
      expect(await shape(stopped), `stopped after ${done} changes`).toEqual(await shape(whole));
    }
  });

  it("is climbed once by many programs that come at the same time", async () => {
    await fillAsFirstRelease(url);
    await Promise.all(Array.from({ length: 8 }, async () => await climb(nextRelease)));
    expect(await schemaRow()).toEqual([{ one: 1, version: 1, step: nextRelease.length }]);
  });

  it("is left as it is by a program that knows fewer steps, which works on it", async () => {
    await climb(nextRelease);
    const before = await shape();
    const { keyBase64: canaryKeyBase64, installation } = canary;
    await using store = await openStore({ url, installation, canaryKeyBase64 });
    const claim = await store.claim({ device, epoch: 1, owner: "pod-a", dataKeys });
    expect(claim.kind).toBe("Granted");
    expect(await shape()).toEqual(before);
    expect(await schemaRow()).toEqual([{ one: 1, version: 1, step: nextRelease.length }]);
  });

  it("ends, with nothing changed, where the database is for newer programs or of another master key", async () => {
    await fillAsFirstRelease(url);
    const before = await shape();
    const wrongKey = { ...canary, keyBase64: Buffer.alloc(32, 9).toString("base64") };
    await expect(climb(nextRelease, url, wrongKey)).rejects.toMatchObject({ reason: "MasterKeyMismatch" });
    expect(await shape()).toEqual(before);
    await runSql(url, "update wa_schema set version = 2");
    await expect(climb(nextRelease)).rejects.toMatchObject({
      reason: "SchemaTooNew",
      message: "the store is for programs of schema version 2 and newer; this one has 1",
    });
    expect(await shape()).toEqual(before);
  });
});

it("a step gives up behind a backup on PostgreSQL, holds nobody up, and is made afterwards", async () => {
  const [, [, start]] = databaseKinds;
  const databases = await start();
  onTestFinished(() => databases.stop());
  const url = await databases.freshUrl();
  await (await open(url))[Symbol.asyncDispose]();
  const backup = createDatabase(url);
  const released = Promise.withResolvers<void>();
  const reads = Promise.withResolvers<void>();
  const reading = backup.db.transaction().execute(async (trx) => {
    await sql`lock table wa_inbox in access share mode`.execute(trx);
    reads.resolve();
    await released.promise;
  });
  await reads.promise;
  const database = createDatabase(url);
  const climb = () => orUnavailable("open", () => migrate(url, database, canary, nextRelease));
  const startedMs = performance.now();
  await expect(climb()).rejects.toThrow(StoreUnavailableError);
  expect(performance.now() - startedMs).toBeLessThan(5_000);
  await database.db.selectFrom("wa_inbox").selectAll().execute();
  released.resolve();
  await reading;
  await climb();
  await backup.db.destroy();
  await database.db.destroy();
});
