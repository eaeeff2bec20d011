import { setTimeout as sleep } from "node:timers/promises";
import { startSimulator, type Simulator } from "@wa/simulator";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { AloneProcess, linkedAlone } from "./alone-process.ts";
import { AloneScene } from "./alone-scene.ts";
import { startPostgres, type TestPostgres } from "./postgres.ts";
import { until } from "./until.ts";

/**
 * PostgreSQL is away in three ways under a session's process, and another process starts meanwhile. Each way has a server of
 * its own, so that they pass at the same time.
 */
const patienceMs = 60_000;
const texts = ["one", "two", "three"];
vi.setConfig({ testTimeout: 300_000 });

let simulator: Simulator;
let accounts = 0;

beforeAll(async () => {
  simulator = await startSimulator();
});
afterAll(async () => {
  await simulator[Symbol.asyncDispose]();
});

async function newScene(postgres: TestPostgres): Promise<AloneScene> {
  accounts += 1;
  const number = String(accounts).padStart(4, "0");
  const url = await postgres.createDatabase(`o${accounts}`);
  return await AloneScene.open({ simulator, phone: `3365000${number}`, peer: `3366100${number}`, url });
}

/** Takes the store away, for a time; what it resolves to gives it back. */
type Outage = (postgres: TestPostgres) => Promise<() => Promise<void>>;

const shutDown: Outage = async (postgres) => {
  await postgres.shutDown();
  return postgres.start;
};
const paused: Outage = async (postgres) => {
  await postgres.pause();
  return postgres.resume;
};
/** The sessions' connections are ended, and other clients take every slot, those that are kept for superusers too. */
const exhausted: Outage = async ({ url }) => {
  const clients: Client[] = [];
  const first = await connected(url);
  if (first === undefined) throw new Error("no slot at all");
  const ending = `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'whatsapp-session-pod'`;
  // A session's connection that is just being opened holds a slot before it shows its name.
  for (let fullInARow = 0; fullInARow < 5;) {
    const { rowCount } = await first.query(ending);
    const taken = await connected(url);
    if (taken !== undefined) clients.push(taken);
    fullInARow = taken === undefined && rowCount === 0 ? fullInARow + 1 : 0;
    if (fullInARow > 0) await sleep(100);
  }
  return async () => {
    await Promise.all([first, ...clients].map(async (client) => await client.end()));
  };
};

async function connected(connectionString: string): Promise<Client | undefined> {
  const client = new Client({ connectionString });
  // A test that fails takes the server from under it.
  client.on("error", () => undefined);
  try {
    await client.connect();
    return client;
  } catch (error) {
    expect(String(error)).toMatch(/too many clients/);
    return undefined;
  }
}

describe.concurrent("a connected session loses nothing and keeps its socket, and one that starts comes up by itself, when the store", () => {
  it.each([
    ["is shut down for 30 s", shutDown, 30_000],
    ["is frozen for 50 s", paused, 50_000],
    ["has no connection left for 20 s", exhausted, 20_000],
  ] as const)("%s", async (_way, outage, awayMs) => {
    const postgres = await startPostgres();
    try {
      await livesThrough(postgres, outage, awayMs);
    } finally {
      await postgres.stop();
    }
  });
});

async function livesThrough(postgres: TestPostgres, outage: Outage, awayMs: number): Promise<void> {
  await using scene = await newScene(postgres);
  await using lateScene = await newScene(postgres);
  const ended = await linkedAlone(lateScene.run, lateScene.phone);
  ended.signal("SIGTERM");
  await ended.exited();
  await using session = await linkedAlone(scene.run, scene.phone);
  await scene.exchange(session, "first");
  const before = await scene.device();

  await scene.enqueue(...texts.map((text) => `queued ${text}`));
  const giveBack = await outage(postgres);
  try {
    const endMs = performance.now() + awayMs;
    await using late = new AloneProcess(lateScene.run);
    session.send(`+${scene.peer}`, "by line");
    for (const text of texts) await scene.textFromPeer(`meanwhile ${text}`);
    while (performance.now() < endMs) {
      const { messagesAcknowledged, messagesRefused, socketsNow } = await scene.device();
      expect({ messagesAcknowledged, messagesRefused, socketsNow }).toEqual({
        messagesAcknowledged: 1,
        messagesRefused: 0,
        socketsNow: 1,
      });
      await sleep(500);
    }
    expect((await lateScene.device()).logins).toBe(1);
    await giveBack();

    await late.connected();
    expect(late.qrs).toEqual([]);
    await lateScene.exchange(late, "late");
  } finally {
    // A frozen server would not end.
    await postgres.resume().catch(() => undefined);
  }
  await expectAllOnce(scene, session, before.socketsEver);
}

async function expectAllOnce(scene: AloneScene, session: AloneProcess, socketsEver: number): Promise<void> {
  await until("the receipts", async () => (await scene.device()).messagesPending === 0, patienceMs);
  await until("the outbox", async () => (await scene.queued()) === 0, patienceMs);
  expect(await scene.inboxTexts()).toEqual(["first in", ...texts.map((text) => `meanwhile ${text}`)]);
  // A line that was refused in words has not been sent all the same.
  const isRefused = session.errors.some((line) => line.startsWith("standard input: "));
  const sent = ["first out", ...texts.map((text) => `queued ${text}`), ...(isRefused ? [] : ["by line"])];
  expect((await scene.sentTexts()).toSorted()).toEqual(sent.toSorted());
  expect(await scene.device()).toMatchObject({
    socketsEver,
    messagesRefused: 0,
    messagesRepeated: 0,
    retryReceipts: 0,
    framesFromOldSocket: 0,
  });
  expect(await scene.failed()).toBe(0);
  await scene.exchange(session, "afterwards");
  expect(await scene.unreadable()).toBe(0);
}
