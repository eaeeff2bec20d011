import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, it, type TestContext } from "vitest";
import { StoreUnavailableError } from "../src/sessions/ports.ts";
import { createDatabase } from "../src/store/database.ts";
import { device, LinkScene, phone } from "./link-scene.ts";
import { startPostgres, type TestPostgres } from "./postgres.ts";
import { bytes, claimed, open, put, values } from "./store-fixture.ts";
import { until } from "./until.ts";

/** A database whose password is changed while its sessions run, as Vault, External Secrets or CloudNativePG do it. */
const role = "rotated";
const peer = "33611111111";
let server: TestPostgres;
let databases = 0;

beforeAll(async () => {
  server = await startPostgres({ askPasswordOf: [role, "reader"] });
  await admin(sql`create role rotated login`, sql`create role reader login password 'r'`);
});
afterAll(() => server.stop());

/** As the server's own account, which needs no password. */
async function admin(...statements: readonly ReturnType<typeof sql>[]): Promise<void> {
  await adminOf(server.url, ...statements);
}

async function adminOf(url: string, ...statements: readonly ReturnType<typeof sql>[]): Promise<void> {
  const { db } = createDatabase(url);
  for (const statement of statements) await statement.execute(db);
  await db.destroy();
}

const passwordIs = async (password: string): Promise<void> =>
  await admin(sql.raw(`alter role ${role} password '${password}'`));
const cutAll = async (): Promise<void> =>
  await admin(sql`select pg_terminate_backend(pid) from pg_stat_activity where usename = ${role}`);

/** A new database of the role's, and its URL with a password. */
async function database(): Promise<(password: string, user?: string) => string> {
  const url = new URL(await server.createDatabase(`login${(databases += 1)}`));
  await admin(sql.raw(`alter database ${url.pathname.slice(1)} owner to ${role}`));
  await adminOf(url.href, sql.raw(`grant all on schema public to ${role}`));
  return (password, user = role) => {
    const own = new URL(url);
    own.username = user;
    own.password = encodeURIComponent(password);
    return own.href;
  };
}

describe("a session pod whose database gets another password", () => {
  async function connected(context: TestContext, url: string) {
    const scene = await LinkScene.set(context);
    scene.hub.welcome = { ...scene.hub.welcome, store: { url } };
    const pod = scene.startPod();
    await scene.pair();
    return { scene, pod };
  }

  /** What the leader does when the Secret has changed. */
  function sayStore({ hub }: LinkScene, url: string): void {
    hub.welcome = { ...hub.welcome, store: { url } };
    hub.say({ kind: "welcome", version: 1, term: hub.term, ...hub.welcome });
  }

  async function received(url: string): Promise<number> {
    const { db } = createDatabase(url);
    const rows = await db.selectFrom("wa_inbox").select("message_id").execute();
    await db.destroy();
    return rows.length;
  }

  it("swaps its connections under the session: no socket ends, and the next message is stored", async (context) => {
    await passwordIs("one");
    const urlOf = await database();
    const { scene } = await connected(context, urlOf("one"));
    await using _ = scene;
    const before = await scene.counts();
    await scene.simulator.client.text(peer, phone, "before");
    await until("the text before", async () => (await received(urlOf("one"))) === 1);
    await passwordIs("two#/@:%");
    sayStore(scene, `${urlOf("two#/@:%")}\n`);
    await cutAll();
    await scene.simulator.client.text(peer, phone, "after");
    await until("the text after", async () => (await received(urlOf("two#/@:%"))) === 2, 30_000);
    expect(scene.hub.session(device.uid)?.state).toBe("Connected");
    const { socketsNow, socketsEver, logins } = await scene.counts();
    expect([socketsNow, socketsEver, logins]).toEqual([1, before.socketsEver, before.logins]);
    expect(scene.hub.egress()?.store).toBeUndefined();
  });

  it("goes on with the login of before while the new one is refused, says so, and takes it as soon as it is not", async (context) => {
    await passwordIs("one");
    const urlOf = await database();
    const { scene, pod } = await connected(context, urlOf("one"));
    await using _ = scene;
    const before = await scene.counts();
    sayStore(scene, urlOf("early-secret"));
    const told = await until("the refusal is told", () => scene.hub.egress()?.store);
    expect(told).toMatchObject({ reason: "StoreLoginRefused", message: expect.stringContaining("28P01") });
    await scene.simulator.client.text(peer, phone, "meanwhile");
    await until("the text meanwhile", async () => (await received(urlOf("one"))) === 1);
    await passwordIs("early-secret");
    await cutAll();
    await until("it is taken", () => scene.hub.egress()?.store === undefined, 30_000);
    await scene.simulator.client.text(peer, phone, "after");
    await until("the text after", async () => (await received(urlOf("early-secret"))) === 2, 30_000);
    expect(await scene.counts()).toMatchObject({ socketsNow: 1, socketsEver: before.socketsEver });
    expect(pod.log()).not.toContain("early-secret");
  });

  it("tells of another database, stays with its own, and takes the other at its next start", async (context) => {
    await passwordIs("one");
    const [urlOf, otherOf] = [await database(), await database()];
    const { scene, pod } = await connected(context, urlOf("one"));
    await using _ = scene;
    sayStore(scene, otherOf("one"));
    const told = await until("it is told", () => scene.hub.egress()?.store);
    const { host } = new URL(urlOf("one"));
    expect(told).toEqual({
      reason: "StoreChanged",
      message: `works with ${host}${new URL(urlOf("one")).pathname}, and told is ${host}${new URL(otherOf("one")).pathname}`,
    });
    await scene.simulator.client.text(peer, phone, "here");
    await until("the text", async () => (await received(urlOf("one"))) === 1);
    expect(scene.hub.session(device.uid)?.state).toBe("Connected");
    expect(await pod.end("SIGTERM")).toBe(0);
    scene.startPod();
    await scene.hub.reported(device.uid, "AwaitingPairing", 30_000);
    expect(scene.hub.egress()?.store).toBeUndefined();
  });

  it("opens the store by what it was told last, where it could not be opened before", async (context) => {
    await passwordIs("one");
    const urlOf = await database();
    await using scene = await LinkScene.set(context);
    scene.hub.welcome = { ...scene.hub.welcome, store: { url: urlOf("wrong") } };
    scene.startPod();
    await scene.hub.reported(device.uid, "StoreUnavailable");
    sayStore(scene, urlOf("one"));
    await scene.hub.reported(device.uid, "AwaitingPairing", 30_000);
  });
});

describe("a store that takes up another login", () => {
  it("loses no write that is under way, keeps claim and generation, and has two connections afterwards as before", async () => {
    await passwordIs("one");
    const urlOf = await database();
    await using store = await open(urlOf("one"));
    const claims = await Promise.all(Array.from({ length: 8 }, (_, index) => claimed(store, `d${index}`)));
    const generations = claims.map((claim) => claim.openGeneration());
    const done = new AbortController();
    const writing = generations.map(async (generation) => {
      let count = 0;
      for (; !done.signal.aborted; count += 1) await generation.commit({ puts: [put(`k${count}`, "v")] });
      return count;
    });
    for (const password of ["two", "three", "four"]) {
      await passwordIs(password);
      expect(await store.relogin(urlOf(password))).toEqual({ kind: "Taken" });
      await cutAll();
    }
    done.abort();
    const counts = await Promise.all(writing);
    for (const [index, generation] of generations.entries()) {
      const ids = Array.from({ length: counts[index] ?? 0 }, (_, count) => `k${count}`);
      expect(Object.keys(await values(generation, ids))).toHaveLength(ids.length);
      expect(await claims[index]?.stillOwned()).toBe(true);
    }
    const { db } = createDatabase(server.url);
    await until("two connections", async () => {
      const { rows } = await sql<{
        n: number;
      }>`select count(*)::int as n from pg_stat_activity where usename = ${role}`.execute(db);
      return (rows[0]?.n ?? 9) <= 2;
    });
    await db.destroy();
  });

  it.each([
    ["another schema of the same database", (url: string) => `${url}?options=-c%20search_path%3Delsewhere`],
    ["a database of the same name elsewhere", (url: string) => url.replace("127.0.0.1", "127.0.0.2")],
    ["a file", () => "sqlite:///tmp/none.db"],
    ["another server by a parameter", (url: string) => `${url}?host=127.0.0.3`],
  ])("does not take %s for its own", async (_, change) => {
    await passwordIs("one");
    const urlOf = await database();
    await using store = await open(urlOf("one"));
    const answer = await store.relogin(change(urlOf("one")));
    expect(answer.kind).toBe("OtherStore");
    expect(JSON.stringify(answer)).not.toContain(":one@");
    await (await claimed(store, "d")).openGeneration().commit({ puts: [put("a", "1")] });
  });

  it("does not take a copy that was made anew under its name", async () => {
    await passwordIs("one");
    const urlOf = await database();
    await using store = await open(urlOf("one"));
    await adminOf(urlOf("one"), sql`delete from wa_canary`);
    await (await open(urlOf("one")))[Symbol.asyncDispose]();
    expect(await store.relogin(`${urlOf("one")}?application_name=x`)).toMatchObject({ kind: "OtherStore" });
  });

  it.each([
    ["a wrong password", (urlOf: (password: string, user?: string) => string) => urlOf("wrong"), "28P01"],
    [
      "a role that may not write",
      (urlOf: (password: string, user?: string) => string) => urlOf("r", "reader"),
      "42501",
    ],
    ["what is no URL", () => "postgres://u:secret@[::1:5/x", "Invalid URL"],
  ])("refuses %s, and goes on as before", async (_, change, words) => {
    await passwordIs("one");
    const urlOf = await database();
    await using store = await open(urlOf("one"));
    await adminOf(
      urlOf("one"),
      sql`grant usage on schema public to reader`,
      sql`grant select on all tables in schema public to reader`,
    );
    const asked = store.relogin(change(urlOf));
    await expect(asked).rejects.toThrow(StoreUnavailableError);
    await expect(asked).rejects.toThrow(words);
    await expect(asked).rejects.not.toThrow("secret");
    const generation = (await claimed(store, "d")).openGeneration();
    await generation.commit({
      inbox: [{ messageId: "M", chat: "c", sender: "s", timestampMs: 1, plaintext: bytes("x") }],
    });
    expect(await store.relogin(urlOf("one"))).toEqual({ kind: "Taken" });
  });
});
