import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { currentDataKey, deriveCanaryKey } from "@wa/schema";
import { sql } from "kysely";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { FenceLostError, GenerationClosedError, StoreRefusedError, type Store } from "../src/sessions/ports.ts";
import { createDatabase } from "../src/store/database.ts";
import {
  bytes,
  claimed,
  claimRequest,
  databaseKinds,
  deviceKey,
  masterKey,
  open,
  put,
  text,
  values,
  type Databases,
} from "./store-fixture.ts";

describe.each(databaseKinds)("the store on %s", (_kind, start) => {
  let databases: Databases;
  let url: string;
  let store: Store;
  const children: ChildProcess[] = [];

  beforeAll(async () => {
    databases = await start();
  });
  afterAll(() => databases.stop());
  beforeEach(async () => {
    url = await databases.freshUrl();
    store = await open(url);
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
    await store[Symbol.asyncDispose]();
  });

  function spawn(...args: string[]): ChildProcess {
    const child = fork(new URL("./store-holder.ts", import.meta.url), args, {
      execArgv: ["--conditions=source", "--disable-warning=ExperimentalWarning"],
    });
    children.push(child);
    return child;
  }

  async function says(child: ChildProcess): Promise<unknown> {
    const [message] = await once(child, "message");
    return message;
  }

  describe("claims", () => {
    it.each([
      ["a newer epoch of another owner", 2, "pod-b", "Granted"],
      ["the same epoch of the same owner", 1, "pod-a", "Granted"],
      ["the same epoch of another owner", 1, "pod-b", "Refused"],
      ["an older epoch of the same owner", 0, "pod-a", "Refused"],
    ])("%s is %s %s: %s", async (_case, epoch, owner, expected) => {
      const first = await claimed(store, "d1");
      const second = await store.claim(claimRequest("d1", epoch, owner));
      expect(second.kind).toBe(expected);
      expect(await first.stillOwned()).toBe(expected === "Refused");
      if (second.kind === "Granted") expect(second.claim.incarnation).toBe(first.incarnation + 1);
      else expect(second.storedEpoch).toBe(1);
    });

    it.each([
      ["is taken over when its epoch is beyond belief", 2 ** 31 - 1, 1],
      ["is taken over when its incarnation cannot rise", 1, 2 ** 31 - 1],
    ])("a row %s", async (_case, epoch, incarnation) => {
      const { device } = await claimed(store, "d1");
      const database = createDatabase(url);
      await database.db.updateTable("wa_device").set({ epoch, incarnation }).where("key", "=", device).execute();
      await database.db.destroy();
      expect((await store.claim(claimRequest("d1", 2, "pod-b"))).kind).toBe("Granted");
      await (await claimed(store, "d1", 2, "pod-b")).openGeneration().commit({ puts: [put("a", "1")] });
    });

    it("refuses the next write and read of a claim that a restarted container of the same pod has replaced", async () => {
      const old = (await claimed(store, "d1")).openGeneration();
      await using other = await open(url);
      const fresh = (await claimed(other, "d1")).openGeneration();
      await expect(old.commit({ puts: [put("a", "old")] })).rejects.toThrow(FenceLostError);
      await expect(old.get("session", ["a"])).rejects.toThrow(FenceLostError);
      expect(await values(fresh, ["a"])).toEqual({});
    });

    it("waits for a transaction that another process holds open, and refuses that process's next write", async () => {
      const child = spawn(url, "d1", "1");
      expect(await says(child)).toBe("claimed");
      child.send("write a first");
      expect(await says(child)).toBe("holding");

      let isGranted = false;
      const claiming = claimed(store, "d1", 2, "pod-b").finally(() => (isGranted = true));
      await sleep(700);
      expect(isGranted).toBe(false);

      child.send("go");
      expect(await says(child)).toBe("written");
      const generation = (await claiming).openGeneration();
      expect(await values(generation, ["a"])).toEqual({ a: "first" });

      child.send("write a late");
      expect(await says(child)).toBe("FenceLostError");
      expect(await values((await claiming).openGeneration(), ["a"])).toEqual({ a: "first" });
    });
  });

  describe("generations", () => {
    it("merges what is committed while a transaction is under way into the next, the later value winning", async () => {
      const troubles: string[] = [];
      const generation = (await claimed(store, "d1")).openGeneration();
      const first = generation.commit({ creds: bytes("creds-1"), puts: [put("a", "1"), put("b", "1")] });
      await sleep(0);
      const later = [
        generation.commit({ puts: [put("a", "2"), put("c", "2")] }),
        generation.commit({ deletes: [{ type: "session", id: "b" }], creds: bytes("creds-2") }),
        generation.commit({ deletes: [{ type: "session", id: "c" }] }),
        generation.commit({ puts: [put("c", "3")] }),
      ];
      await Promise.all([first, ...later]);
      const claim = await claimed(store, "d1");
      expect(await values(claim.openGeneration(), ["a", "b", "c"])).toEqual({ a: "2", c: "3" });
      expect(text(await claim.readCreds())).toBe("creds-2");
      expect(troubles).toEqual([]);
    });

    it("closed, refuses what comes late, and nothing of it is stored", async () => {
      const claim = await claimed(store, "d1");
      const old = claim.openGeneration();
      await old.commit({ puts: [put("a", "1")] });
      const late = old.commit({ puts: [put("a", "late")] });
      const next = claim.openGeneration();
      await expect(late).rejects.toThrow(GenerationClosedError);
      await expect(old.commit({ creds: bytes("late") })).rejects.toThrow(GenerationClosedError);
      await expect(old.get("session", ["a"])).rejects.toThrow(GenerationClosedError);
      expect(await values(next, ["a"])).toEqual({ a: "1" });
      expect(await claim.readCreds()).toBeUndefined();
      expect(next.generation).toBe(old.generation + 1);
    });

    it("answers from the database what another generation wrote, and from itself what it committed", async () => {
      const claim = await claimed(store, "d1");
      const first = claim.openGeneration();
      expect(await values(first, ["a"])).toEqual({});
      await first.commit({ puts: [put("a", "1")] });
      expect(await values(first, ["a", "b"])).toEqual({ a: "1" });
      const second = claim.openGeneration();
      await second.commit({ puts: [put("a", "2")], deletes: [{ type: "session", id: "b" }] });
      expect(await values(second, ["a", "b"])).toEqual({ a: "2" });
    });

    it("takes 5,000 values in one commit", async () => {
      const claim = await claimed(store, "d1");
      const ids = Array.from({ length: 5_000 }, (_, index) => String(index));
      await claim.openGeneration().commit({ puts: ids.map((id) => put(id, `value ${id}`, "pre-key")) });
      const generation = claim.openGeneration();
      expect(Object.keys(await values(generation, ids, "pre-key"))).toHaveLength(5_000);
      await generation.commit({ deletes: ids.map((id) => ({ type: "pre-key", id })) });
      expect(await values(claim.openGeneration(), ids, "pre-key")).toEqual({});
    });
  });

  describe("messages", () => {
    const message = { messageId: "M1", chat: "c@s", sender: "s@s", timestampMs: 1_790_000_000_123 };

    it("keeps the plaintext that was stored first when a message is delivered again", async () => {
      const generation = (await claimed(store, "d1")).openGeneration();
      await generation.commit({ inbox: [{ ...message, plaintext: bytes("hello") }] });
      await generation.commit({ inbox: [{ ...message, plaintext: bytes("again") }] });
      expect(text(await generation.readInbox("c@s", "s@s", "M1"))).toBe("hello");
      expect(await generation.readInbox("c@s", "other@s", "M1")).toBeUndefined();
    });

    it("stores the ratchet and the message together or neither", async () => {
      const old = (await claimed(store, "d1")).openGeneration();
      await using other = await open(url);
      const fresh = (await claimed(other, "d1")).openGeneration();
      const both = { puts: [put("a", "ratchet")], inbox: [{ ...message, plaintext: bytes("hello") }] };
      await expect(old.commit(both)).rejects.toThrow(FenceLostError);
      expect(await fresh.readInbox("c@s", "s@s", "M1")).toBeUndefined();
    });
  });

  describe("what it refuses", () => {
    it("another master key, with nothing written", async () => {
      const refused = open(url, { canaryKeyBase64: deriveCanaryKey(Buffer.alloc(32, 9)) });
      await expect(refused).rejects.toMatchObject({ name: "StoreRefusedError", reason: "MasterKeyMismatch" });
      await expect(open(url).then((again) => again[Symbol.asyncDispose]())).resolves.toBeUndefined();
    });

    it("lets a second installation with a key of its own into the same database", async () => {
      const options = { installation: "other/wa", canaryKeyBase64: deriveCanaryKey(Buffer.alloc(32, 9)) };
      await (await open(url, options))[Symbol.asyncDispose]();
      await (await open(url, options))[Symbol.asyncDispose]();
    });

    it("a schema newer than it knows", async () => {
      const { db } = createDatabase(url);
      await sql`update wa_schema set version = 99`.execute(db);
      await db.destroy();
      await expect(open(url)).rejects.toMatchObject({ name: "StoreRefusedError", reason: "SchemaTooNew" });
    });

    it("to open a value with a key that did not encrypt it, and says which keys are meant", async () => {
      const claim = await claimed(store, "d1");
      await claim.openGeneration().commit({ creds: bytes("secret"), puts: [put("a", "secret")] });
      const dataKeys = [currentDataKey(Buffer.alloc(32, 9), deviceKey("d1"))];
      const result = await store.claim({ ...claimRequest("d1", 1), dataKeys });
      if (result.kind === "Refused") throw new Error("refused");
      await expect(result.claim.readCreds()).rejects.toThrow(
        `a creds value was stored with key ${currentDataKey(masterKey, deviceKey("d1")).keyId}, but the keys at hand are ${dataKeys[0]?.keyId}`,
      );
      await expect(result.claim.openGeneration().get("session", ["a"])).rejects.toThrow(StoreRefusedError);
    });

    it("a value that was moved to another device's row", async () => {
      await (await claimed(store, "d1")).openGeneration().commit({ creds: bytes("of d1") });
      const other = await claimed(store, "d2");
      const { db } = createDatabase(url);
      await sql`update wa_value set device = ${deviceKey("d2")}`.execute(db);
      await db.destroy();
      await expect(other.readCreds()).rejects.toThrow(StoreRefusedError);
    });

    it("nothing of a key rotated: the new key writes, the old one still reads", async () => {
      const device = deviceKey("d1");
      await (await claimed(store, "d1")).openGeneration().commit({ puts: [put("a", "old")] });
      const dataKeys = [currentDataKey(Buffer.alloc(32, 9), device), currentDataKey(masterKey, device)];
      const result = await store.claim({ ...claimRequest("d1", 1), dataKeys });
      if (result.kind === "Refused") throw new Error("refused");
      await result.claim.openGeneration().commit({ puts: [put("b", "new")] });
      expect(await values(result.claim.openGeneration(), ["a", "b"])).toEqual({ a: "old", b: "new" });
    });
  });

  it("stores neither credentials nor text nor message in the clear", async () => {
    const generation = (await claimed(store, "d1")).openGeneration();
    await generation.commit({
      creds: bytes("credential-text"),
      puts: [put("a", "signal-key")],
      inbox: [{ messageId: "M", chat: "c", sender: "s", timestampMs: 1, plaintext: bytes("message-text") }],
    });
    const { db } = createDatabase(url);
    const rows = await Promise.all([
      db.selectFrom("wa_value").selectAll().execute(),
      db.selectFrom("wa_inbox").selectAll().execute(),
    ]);
    await db.destroy();
    const all = rows.flat().map(({ ciphertext }) => Buffer.from(ciphertext).toString("latin1"));
    expect(all).toHaveLength(3);
    expect(all.join()).not.toMatch(/credential-text|signal-key|message-text/);
  });

  it("archives what a logged out device had, still encrypted, and is unpaired afterwards", async () => {
    const claim = await claimed(store, "d1");
    const generation = claim.openGeneration();
    await generation.commit({ creds: bytes("creds"), puts: [put("a", "1")] });
    await (await claimed(store, "d2")).openGeneration().commit({ creds: bytes("of d2") });
    await claim.archive("LoggedOut");
    await expect(generation.commit({ creds: bytes("late") })).rejects.toThrow(GenerationClosedError);
    expect(await claim.readCreds()).toBeUndefined();
    expect(text(await (await claimed(store, "d2")).readCreds())).toBe("of d2");
    const { db } = createDatabase(url);
    const rows = await db.selectFrom("wa_archive").select(["type", "reason", "ciphertext"]).orderBy("type").execute();
    await db.destroy();
    expect(rows).toMatchObject([
      { type: "creds", reason: "LoggedOut" },
      { type: "session", reason: "LoggedOut" },
    ]);
    expect(rows[0]?.ciphertext.length).toBe("creds".length + 28);
  });

  it("erases credentials and keys after a logout, and keeps the epoch", async () => {
    const claim = await claimed(store, "d1", 7);
    await claim.openGeneration().commit({ creds: bytes("creds"), puts: [put("a", "1")] });
    await claim.erase();
    expect(await claim.readCreds()).toBeUndefined();
    expect(await values(claim.openGeneration(), ["a"])).toEqual({});
    expect(await store.claim(claimRequest("d1", 6, "pod-b"))).toEqual({ kind: "Refused", storedEpoch: 7 });
  });

  it("makes its tables once when two processes open an empty database together", async () => {
    const empty = await databases.freshUrl();
    const both = [spawn(empty), spawn(empty)];
    expect(await Promise.all(both.map(says))).toEqual(["ready", "ready"]);
    for (const child of both) child.send("open");
    expect(await Promise.all(both.map(says))).toEqual(["opened", "opened"]);
  });
});

it("waits while another process holds the SQLite file for three seconds, then commits once", async () => {
  const { startSqlite } = await import("./store-fixture.ts");
  const databases = await startSqlite();
  const url = await databases.freshUrl();
  const troubles: string[] = [];
  const store = await open(url, { onTrouble: ({ operation }) => troubles.push(operation) });
  const generation = (await claimed(store, "d1")).openGeneration();
  const blocker = new DatabaseSync(url.slice("sqlite://".length));
  blocker.exec("begin immediate");
  const committing = generation.commit({ puts: [put("a", "1")] });
  await sleep(3_000);
  blocker.exec("rollback");
  blocker.close();
  await committing;
  expect(troubles).toContain("commit");
  expect(await values((await claimed(store, "d1")).openGeneration(), ["a"])).toEqual({ a: "1" });
  await store[Symbol.asyncDispose]();
  await databases.stop();
});
