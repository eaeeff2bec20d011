import { connect, createServer, type Socket } from "node:net";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { StoreUnavailableError, type Store } from "../src/sessions/ports.ts";
import { createDatabase } from "../src/store/database.ts";
import { portOf } from "./egress-servers.ts";
import { startPostgres, type TestPostgres } from "./postgres.ts";
import { bytes, claimed, claimRequest, open, put, values } from "./store-fixture.ts";

/** A relay whose connections can be made to swallow everything, as a firewall that lost its state does. */
async function freezableRelay(port: number) {
  const sockets = new Set<Socket>();
  const dead = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(port, "127.0.0.1");
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.on("error", () => undefined);
      from.on("data", (chunk) => void (dead.has(from) || to.write(chunk)));
      from.on("close", () => to.destroy());
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: portOf(server),
    /** What is connected now goes dead without a word; new connections work. */
    freeze: () => {
      for (const socket of sockets) dead.add(socket);
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

describe("while PostgreSQL is away", () => {
  let server: TestPostgres;
  let url: string;
  let store: Store;
  let troubles: string[];
  let databases = 0;

  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    url = await server.createDatabase(`away${(databases += 1)}`);
    troubles = [];
    store = await open(url, { onTrouble: ({ operation }) => troubles.push(operation) });
    return () => store[Symbol.asyncDispose]();
  });

  const message = { messageId: "M", chat: "c", sender: "s", timestampMs: 1, plaintext: bytes("hello") };

  it("commits and reads wait for it, and what was committed is there once; other calls say that it is away", async () => {
    const claim = await claimed(store, "d1");
    const generation = claim.openGeneration();
    await generation.commit({ puts: [put("a", "0")] });
    await server.crash();
    const done: string[] = [];
    const commits = ["1", "2"].map((value) =>
      generation.commit({ puts: [put("a", value)], inbox: [message] }).then(() => done.push(value)),
    );
    const read = generation.get("session", ["z"]).then((found) => done.push(`read ${found.size}`));
    await expect(claim.stillOwned()).rejects.toThrow(StoreUnavailableError);
    await expect(store.ping()).rejects.toThrow(/ECONNREFUSED/);
    await expect(store.claim(claimRequest("d1", 2))).rejects.toThrow(StoreUnavailableError);
    await sleep(3_000);
    expect(done).toEqual([]);
    await server.start();
    await Promise.all([...commits, read]);
    expect(new Set(troubles)).toEqual(new Set(["commit", "get"]));
    const { db } = createDatabase(url);
    expect(await db.selectFrom("wa_inbox").select("message_id").execute()).toHaveLength(1);
    await db.destroy();
    expect(await values(claim.openGeneration(), ["a"])).toEqual({ a: "2" });
    expect(await claim.stillOwned()).toBe(true);
  });

  it("a generation that is closed gives up waiting, and the next one begins when the database is back", async () => {
    const claim = await claimed(store, "d1");
    const generation = claim.openGeneration();
    await server.crash();
    const late = generation.commit({ puts: [put("a", "late")] }).catch((error: unknown) => error);
    await sleep(300);
    const next = claim.openGeneration();
    expect(await late).toMatchObject({ name: "GenerationClosedError" });
    const landing = next.commit({ puts: [put("b", "1")] });
    await server.start();
    await landing;
    expect(await values(next, ["a", "b"])).toEqual({ b: "1" });
  });

  it("a connection that the network swallows is given up, not used again", async () => {
    const relay = await freezableRelay(Number(new URL(url).port));
    const relayed = new URL(url);
    relayed.port = String(relay.port);
    const away = await open(relayed.href);
    const generation = (await claimed(away, "d2")).openGeneration();
    await generation.commit({ puts: [put("a", "0")] });
    relay.freeze();
    const startedMs = performance.now();
    await generation.commit({ puts: [put("a", "1")] });
    expect(performance.now() - startedMs).toBeLessThan(12_000);
    await generation.commit({ puts: [put("a", "2")] });
    expect(await values((await claimed(away, "d2")).openGeneration(), ["a"])).toEqual({ a: "2" });
    await away[Symbol.asyncDispose]();
    await relay.close();
  });

  it("uses two connections at most, and none of them keeps anything of a session", async () => {
    const generations = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => (await claimed(store, `d${index}`)).openGeneration()),
    );
    await Promise.all(generations.map((generation) => generation.commit({ puts: [put("a", "1")] })));
    const { db } = createDatabase(url);
    const { rows } = await sql<{ backends: number; prepared: number }>`
      select (select count(*)::int from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()) as backends,
        (select count(*)::int from pg_prepared_statements) as prepared`.execute(db);
    await db.destroy();
    expect(rows).toEqual([{ backends: 2, prepared: 0 }]);
  });
});
