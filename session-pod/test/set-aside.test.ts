import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import type { Claim, InboxMessage, Store } from "../src/sessions/ports.ts";
import { createDatabase } from "../src/store/database.ts";
import type { SetAsideRow } from "../src/store/schema.ts";
import { runSql } from "./first-release.ts";
import { startPostgres } from "./postgres.ts";
import { bytes, claimed, databaseKinds, open, put, text, values, type Databases } from "./store-fixture.ts";
import { until } from "./until.ts";

const message = (messageId: string, changes: Partial<InboxMessage> = {}): InboxMessage => ({
  messageId,
  chat: "c@s",
  sender: "s@s",
  timestampMs: 1_790_000_000_000,
  plaintext: bytes(`text of ${messageId.slice(0, 9)}`),
  ...changes,
});

/** The database itself refuses rows, for a reason that no program knows; `lift` ends it. */
const refusing = {
  sqlite: (table: string, where: string) => ({
    set: `create trigger refuse_${table} before insert on ${table} when ${where} begin select raise(abort, 'refused'); end`,
    lift: `drop trigger refuse_${table}`,
  }),
  postgres: (table: string, where: string) => ({
    set: `create function refuse_${table}() returns trigger language plpgsql as
        $$ begin raise exception 'refused' using errcode = '22023'; end $$;
      create trigger refuse_${table} before insert on ${table} for each row when (${where}) execute function refuse_${table}()`,
    lift: `drop trigger refuse_${table} on ${table}`,
  }),
} as const;

describe.each(databaseKinds)("what the inbox on %s cannot hold", (kind, start) => {
  let databases: Databases;
  let url: string;
  let store: Store;
  let claim: Claim;
  let told: string[];
  beforeAll(async () => {
    databases = await start();
  });
  afterAll(() => databases.stop());
  beforeEach(async () => {
    url = await databases.freshUrl();
    told = [];
    store = await open(url, {
      onSetAside: ({ reason }) => told.push(reason),
      onTrouble: ({ code }) => told.push(code),
    });
    claim = await claimed(store, "d1");
    return () => store[Symbol.asyncDispose]();
  });

  const inDatabase = async <T>(query: (db: ReturnType<typeof createDatabase>["db"]) => Promise<T>): Promise<T> => {
    const { db } = createDatabase(url);
    try {
      return await query(db);
    } finally {
      await db.destroy();
    }
  };
  const asides = async (): Promise<SetAsideRow[]> =>
    await inDatabase(async (db) => (await sql<SetAsideRow>`select * from wa_set_aside order by seq`.execute(db)).rows);
  const inboxIds = async (): Promise<string[]> =>
    (await inDatabase(async (db) => db.selectFrom("wa_inbox").select("message_id").orderBy("seq").execute())).map(
      ({ message_id: id }) => id,
    );

  it("is set aside with its ratchet under a hash, sealed whole, told, and known when it comes again", async () => {
    const poison = message("E2\u0000", { sender: "somebody@s" });
    const generation = claim.openGeneration();
    await generation.commit({ puts: [put("a", "ratchet")], inbox: [poison] });
    await generation.commit({ inbox: [poison] });
    const rows = await asides();
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({ reason: "Names", place: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(JSON.stringify({ ...rows[0], ciphertext: text(rows[0]?.ciphertext) })).not.toMatch(
      /E2|somebody|c@s|text of/,
    );
    expect(told).toEqual(["Names", "Names"]);
    const after = claim.openGeneration();
    expect(await values(after, ["a"])).toEqual({ a: "ratchet" });
    expect(text(await after.readInbox(poison.chat, poison.sender, poison.messageId))).toBe("text of E2\u0000");
    expect(await after.readInbox(poison.chat, poison.sender, "E2")).toBeUndefined();
  });

  it.each([
    ["an id with half a character", { messageId: "A\ud800" }, { messageId: "A\ud801" }],
    ["a chat of 300 bytes", { chat: "x".repeat(300) }, { chat: "x".repeat(299) }],
    [
      "a sender of 2,700 bytes",
      { sender: randomBytes(2_100).toString("base64") },
      { sender: randomBytes(2_100).toString("base64") },
    ],
    ["an id of a megabyte", { messageId: "x".repeat(1_000_000) }, { messageId: "x".repeat(1_000_001) }],
  ])("%s is another message than its neighbour", async (_case, one, other) => {
    const generation = claim.openGeneration();
    const messages = [message("A", one), message("A", { ...other, plaintext: bytes("other") })];
    await generation.commit({ inbox: messages });
    const found = await Promise.all(
      messages.map(async ({ chat, sender, messageId }) => text(await generation.readInbox(chat, sender, messageId))),
    );
    expect(found).toEqual([expect.stringContaining("text of"), "other"]);
  });

  it("of many that are stored together one is set aside, for whatever the database refuses it", async () => {
    const rule = refusing[kind]("wa_inbox", "new.message_id = 'M3'");
    await runSql(url, rule.set);
    const generation = claim.openGeneration();
    const ids = ["M1", "M2", "M3", "M4"];
    await Promise.all(
      ids.map(async (id) => await generation.commit({ inbox: [message(id)], puts: [put(id, "ratchet")] })),
    );
    expect(await inboxIds()).toEqual(["M1", "M2", "M4"]);
    expect(await asides()).toMatchObject([{ reason: "Refused" }]);
    expect(told.filter((word) => word === "Refused")).toHaveLength(1);
    const after = claim.openGeneration();
    expect(Object.keys(await values(after, ids))).toEqual(expect.arrayContaining(ids));
    expect(text(await after.readInbox("c@s", "s@s", "M3"))).toBe("text of M3");
  });

  it.each([
    ["is refused there too", "wa_set_aside", "true"],
    ["has a ratchet that is refused", "wa_value", "new.id = 'M3'"],
  ])(
    "and %s is an outage: nothing is acknowledged until it ends, and then it is there once",
    async (_case, table, where) => {
      const rules = [
        refusing[kind]("wa_inbox", "new.message_id = 'M3'"),
        refusing[kind](table, kind === "sqlite" && where === "true" ? "1" : where),
      ];
      for (const { set } of rules) await runSql(url, set);
      const generation = claim.openGeneration();
      let isDone = false;
      const commit = generation.commit({ inbox: [message("M3"), message("M4")], puts: [put("M3", "ratchet")] });
      void commit.then(() => (isDone = true));
      await sleep(1_500);
      expect(isDone).toBe(false);
      expect([await inboxIds(), await asides()]).toEqual([[], []]);
      for (const { lift } of rules.slice(1)) await runSql(url, lift);
      await commit;
      expect([await inboxIds(), (await asides()).length]).toEqual([["M4"], 1]);
    },
  );

  it("a table that is missing is an outage and no message's fault", async () => {
    await runSql(url, "alter table wa_inbox rename to elsewhere");
    const generation = claim.openGeneration();
    let isDone = false;
    const commit = generation.commit({ inbox: [message("M1")] });
    const reading = generation.readInbox("c@s", "s@s", "M1");
    void Promise.race([commit, reading]).then(() => (isDone = true));
    await sleep(700);
    expect([isDone, await asides()]).toEqual([false, []]);
    await runSql(url, "alter table elsewhere rename to wa_inbox");
    await commit;
    await reading;
    expect([await inboxIds(), await asides()]).toEqual([["M1"], []]);
  });

  it("keys of contacts with impossible addresses are stored, found, kept apart and deleted", async () => {
    const ids = [
      "1_1.0",
      "1\u0000_1.0",
      "é_1.0",
      "\ud800_1.0",
      "\ud801_1.0",
      "x".repeat(3_000),
      `#sha256:${"0".repeat(64)}`,
      "' or 1=1 --",
    ];
    await claim.openGeneration().commit({ puts: ids.map((id, index) => put(id, String(index))) });
    const generation = claim.openGeneration();
    expect(await values(generation, ids)).toEqual(Object.fromEntries(ids.map((id, index) => [id, String(index)])));
    await generation.commit({ deletes: ids.slice(1).map((id) => ({ type: "session", id })) });
    expect(await values(claim.openGeneration(), ids)).toEqual({ "1_1.0": "0" });
  });

  it("a receipt for a text of an impossible id finds nothing, at once", async () => {
    const generation = claim.openGeneration();
    for (const id of ["\u0000", "x".repeat(200_000), "\ud800", ""])
      expect(await generation.readOutbox(id)).toBeUndefined();
    expect(told).toEqual([]);
  });

  it("a refusal in words that no column holds is noted all the same", async () => {
    const generation = claim.openGeneration();
    await runSql(
      url,
      `insert into wa_outbox (device, message_id, state, error, created_ms, key_id, ciphertext)
      values ('${claim.device}', 'T1', 'Queued', '', 1, 'k', '')`,
    );
    await generation.commit({
      outbox: [{ messageId: "T1", state: "Failed", error: `server code \u0000${"é".repeat(9_999)}` }],
    });
    const rows = await inDatabase(async (db) => db.selectFrom("wa_outbox").select(["state", "error"]).execute());
    expect(rows).toEqual([{ state: "Failed", error: expect.stringMatching(/^server code \?+$/) }]);
  });

  it("a text of eight megabytes is a message like any other", async () => {
    const generation = claim.openGeneration();
    await generation.commit({ inbox: [message("big", { plaintext: Buffer.alloc(8_000_000, "a") })] });
    expect((await generation.readInbox("c@s", "s@s", "big"))?.length).toBe(8_000_000);
    expect(told).toEqual([]);
  });
});

it("in a PostgreSQL database whose encoding lacks a letter, its message is set aside and known again", async () => {
  const server = await startPostgres();
  onTestFinished(() => server.stop());
  const url = server.url.replace(/wa$/, "latin");
  await runSql(server.url, "create database latin encoding 'LATIN1' locale 'C' template template0");
  const told: string[] = [];
  await using store = await open(url, { onSetAside: ({ reason }) => told.push(reason) });
  const generation = (await claimed(store, "d1")).openGeneration();
  const snowman = message("☃");
  await generation.commit({ inbox: [message("é"), snowman], puts: [put("☃", "ratchet")] });
  expect(told).toEqual(["Refused"]);
  expect(text(await generation.readInbox("c@s", "s@s", "☃"))).toBe("text of ☃");
  expect(text(await generation.readInbox("c@s", "s@s", "é"))).toBe("text of é");
  await until("the next", async () => {
    await generation.commit({ inbox: [message("next")] });
    return (await generation.readInbox("c@s", "s@s", "next")) !== undefined;
  });
});
