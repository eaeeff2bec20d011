import { randomInt } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { startSimulator, type Simulator } from "@wa/simulator";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { AloneProcess, linkedAlone } from "./alone-process.ts";
import { AloneScene } from "./alone-scene.ts";
import { startPostgres, type TestPostgres } from "./postgres.ts";
import { until } from "./until.ts";

/**
 * Devices whose processes are killed at random moments, while texts flow both ways all the time. At the end nothing is lost,
 * doubled, or was ever unreadable. `KILLS` says how many kills in total (200), `SEED` repeats the moments of a run that failed.
 */
const kills = Number(process.env["KILLS"] ?? 200);
const seed = Number(process.env["SEED"] ?? randomInt(2 ** 31));
const devices = 4;
/** What a device gets on a busy machine for each of its kills, and for its start and its end. */
const perKillMs = 40_000;
const restMs = 180_000;
/** Until this long after its start a process may be killed wherever it is then. */
const latestKillMs = 2_500;
/** Or this long after it is connected: it has the texts that were kept for it, and reads its outbox. */
const connectedKillMs = 1_200;
const betweenTextsMs = 800;
vi.setConfig({ testTimeout: restMs + Math.ceil(kills / devices) * perKillMs });

let simulator: Simulator;
let postgres: TestPostgres;

beforeAll(async () => {
  [simulator, postgres] = await Promise.all([startSimulator(), startPostgres()]);
});
afterAll(async () => {
  await simulator[Symbol.asyncDispose]();
  await postgres.stop();
});

it(`${kills} kills of ${devices} devices: every text is in the inbox once and at the peer once, and none was unreadable`, async () => {
  const all = Array.from({ length: devices }, async (_, index) => {
    const count = Math.floor(kills / devices) + (index < kills % devices ? 1 : 0);
    return await livesThrough(index, count);
  });
  // All have ended before one that failed is told: nothing runs on without its server.
  await Promise.allSettled(all);
  const outcomes = await Promise.all(all).catch((error: unknown) => {
    throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
  });
  const total = (read: (outcome: Outcome) => number): number =>
    outcomes.reduce((sum, outcome) => sum + read(outcome), 0);
  expect(total((outcome) => outcome.kills)).toBe(kills);
  // The kills did strike while something was open: else they would prove nothing.
  expect(total((outcome) => outcome.redelivered)).toBeGreaterThan(kills / 10);
});

interface Outcome {
  readonly kills: number;
  readonly redelivered: number;
}

async function livesThrough(index: number, count: number): Promise<Outcome> {
  const random = randomOf(seed + index);
  await using scene = await newScene(index);
  const first = await linkedAlone(scene.run, scene.phone);
  await scene.exchange(first, "first");
  // An orderly end, which leaves the compiled modules for those that are killed.
  first.signal("SIGTERM");
  await first.exited();
  // Chance of its own: the order of its draws and those of the kills is not repeated by a seed.
  const stopTraffic = startTraffic(scene, randomOf(seed + devices + index));
  try {
    for (let kill = 0; kill < count; kill += 1) await startAndKill(scene, random);
  } finally {
    await stopTraffic();
  }
  const texts = await stopTraffic();
  await using last = new AloneProcess(scene.run);
  await last.connected();
  await expectAllOnce(scene, texts);
  await scene.exchange(last, "last");
  return { kills: count, redelivered: (await scene.device()).messagesRedelivered };
}

async function newScene(index: number): Promise<AloneScene> {
  const url = await postgres.createDatabase(`k${index}`);
  return await AloneScene.open({ simulator, phone: `336700000${index}`, peer: `336800000${index}`, url });
}

async function startAndKill(scene: AloneScene, random: () => number): Promise<void> {
  const isAnywhere = random() < 0.4;
  const delayMs = random() * (isAnywhere ? latestKillMs : connectedKillMs);
  await using session = new AloneProcess(scene.run);
  if (!isAnywhere) await session.connected();
  await sleep(delayMs);
  session.signal("SIGKILL");
  expect(await session.endedBy()).toBe("SIGKILL");
  expect(session.qrs).toEqual([]);
}

/** Texts from the peer and for the peer, numbered, until it is stopped; that resolves to their number. */
function startTraffic(scene: AloneScene, random: () => number): () => Promise<number> {
  const ending = new AbortController();
  const flow = async (): Promise<number> => {
    for (let count = 1; ; count += 1) {
      await Promise.all([scene.textFromPeer(`in ${count}`), scene.enqueue(`out ${count}`)]);
      if (ending.signal.aborted) return count;
      await sleep(random() * betweenTextsMs);
    }
  };
  const flowing = flow();
  // Said where it is stopped.
  flowing.catch(() => undefined);
  return async () => {
    ending.abort();
    return await flowing;
  };
}

async function expectAllOnce(scene: AloneScene, count: number): Promise<void> {
  await until("the receipts", async () => (await scene.device()).messagesPending === 0, restMs / 2);
  await until("the outbox", async () => (await scene.queued()) === 0, restMs / 2);
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  expect((await scene.inboxTexts()).toSorted()).toEqual(["first in", ...numbers.map((n) => `in ${n}`)].toSorted());
  expect((await scene.sentTexts()).toSorted()).toEqual(["first out", ...numbers.map((n) => `out ${n}`)].toSorted());
  expect(await scene.device()).toMatchObject({
    messagesAcknowledged: count + 1,
    messagesRefused: 0,
    retryReceipts: 0,
    framesFromOldSocket: 0,
    isLinked: true,
  });
  expect(await scene.unreadable()).toBe(0);
  expect(await scene.failed()).toBe(0);
  expect(await scene.preKeysWithoutPrivateHalf()).toEqual([]);
}

/** Numbers in [0, 1) that a seed repeats (mulberry32). */
function randomOf(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d_2b_79_f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
