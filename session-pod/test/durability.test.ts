import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { startSimulator, type Simulator } from "@wa/simulator";
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from "vitest";
import { AloneProcess, linkedAlone } from "./alone-process.ts";
import { AloneScene } from "./alone-scene.ts";
import { serve } from "./egress-servers.ts";
import { holdWrites } from "./hold-writes.ts";
import { startPostgres, type TestPostgres } from "./postgres.ts";
import { until } from "./until.ts";

/**
 * A message leaves after its ratchet is committed, and is acknowledged after its text is in the inbox. The proof holds the
 * commit back from outside, by a lock, and asks the server what it has seen.
 */
const peer = "33600000088";
/** Long enough for anything that does not wait for the commit to have arrived. */
const heldMs = 3_000;

let simulator: Simulator;
let postgres: TestPostgres;
let scene: AloneScene;
let accounts = 0;

beforeAll(async () => {
  [simulator, postgres] = await Promise.all([startSimulator(), startPostgres()]);
});
afterAll(async () => {
  await simulator[Symbol.asyncDispose]();
  await postgres.stop();
});
beforeEach(async () => {
  accounts += 1;
  const phone = `3362000${String(accounts).padStart(4, "0")}`;
  const url = await postgres.createDatabase(`d${accounts}`);
  scene = await AloneScene.open({ simulator, phone, peer, url });
  return async () => await scene[Symbol.asyncDispose]();
});

it("the store crashes under a commit: the process and the socket live on, and the message is acknowledged later", async () => {
  await using session = await linkedAlone(scene.run, scene.phone);
  await scene.exchange(session, "first");
  const before = await scene.device();
  await holdWrites(scene.url, "wa_value", "wa_inbox");
  await scene.textFromPeer("meanwhile");
  await sleep(500);
  await postgres.crash();
  await sleep(500);
  await postgres.start();
  await until("the receipt", async () => (await scene.device()).messagesAcknowledged === 2, 40_000);
  expect(await scene.inboxTexts()).toEqual(["first in", "meanwhile"]);
  expect(await scene.device()).toMatchObject({ socketsEver: before.socketsEver, messagesRefused: 0, retryReceipts: 0 });
});

it("the phone hears of the link after the credentials are stored", async () => {
  await using session = new AloneProcess(scene.run);
  const qr = await session.qr();
  const release = await holdWrites(scene.url, "wa_value");
  const scanned = simulator.client.scan(scene.phone, qr);
  await sleep(heldMs);
  expect((await simulator.client.stats(scene.phone)).devices).toEqual({});
  await release();
  await scanned;
  await session.connected();
});

it("killed before the credentials are stored, the device is not linked, and a new scan links it", async () => {
  const session = new AloneProcess(scene.run);
  const qr = await session.qr();
  const release = await holdWrites(scene.url, "wa_value");
  const scanned = simulator.client.scan(scene.phone, qr).catch(() => undefined);
  await sleep(1_000);
  session.signal("SIGKILL");
  await session.exited();
  await release();
  await scanned;
  expect((await simulator.client.stats(scene.phone)).devices).toEqual({});
  await using again = await linkedAlone(scene.run, scene.phone);
  expect(again.last?.paired).toBe(true);
});

it("every prekey that the server has is in the store, however the first upload broke", async () => {
  await simulator.client.setScenarioOf(scene.phone, {
    rules: [{ stage: "iq", xmlns: "encrypt", child: "registration", times: 1, action: { kind: "reset" } }],
  });
  await using session = await linkedAlone(scene.run, scene.phone);
  // What the dead socket had under way would land by now.
  await sleep(heldMs);
  const { preKeyIds = [] } = await scene.device();
  expect(preKeyIds.length).toBeGreaterThanOrEqual(812);
  expect(await scene.preKeysWithoutPrivateHalf()).toEqual([]);
  expect(session.reports.some(({ lastDisconnect }) => lastDisconnect?.cause === "NetworkLoss")).toBe(true);
  await scene.textFromPeer("by a prekey");
  await until("the text", async () => (await scene.inboxTexts()).includes("by a prekey"));
});

it("while a commit is held the server sees neither message nor receipt; after it both, on the same socket", async () => {
  await using session = await linkedAlone(scene.run, scene.phone);
  await scene.exchange(session, "first");
  const before = await scene.device();
  const release = await holdWrites(scene.url, "wa_value", "wa_inbox");
  session.send(`+${peer}`, "held out");
  await scene.textFromPeer("held in");
  await sleep(heldMs);
  expect(await scene.sentTexts()).toEqual(["first out"]);
  expect(await scene.device()).toMatchObject({
    messagesAcknowledged: 1,
    messagesRefused: 0,
    receipts: before.receipts,
  });

  await release();
  await until(
    "both",
    async () => (await scene.sentTexts()).length === 2 && (await scene.device()).messagesAcknowledged === 2,
  );
  expect(await scene.sentTexts()).toEqual(["first out", "held out"]);
  expect(await scene.inboxTexts()).toEqual(["first in", "held in"]);
  expect(await scene.device()).toMatchObject({
    socketsEver: before.socketsEver,
    messagesRefused: 0,
    messagesRepeated: 0,
    retryReceipts: 0,
  });
});

it("a text that arrives while one that leaves is held turns the ratchet from where that one left it", async () => {
  await using session = await linkedAlone(scene.run, scene.phone);
  await scene.exchange(session, "first");
  // Two in a row: the second of them makes no new chain, in which a counter that was lost would not be missed.
  await scene.textFromPeer("one in");
  await until("one", async () => (await scene.device()).messagesPending === 0);
  const release = await holdWrites(scene.url, "wa_value", "wa_inbox");
  await scene.enqueue("held out");
  // Long enough for the outbox to be read and the text to be encrypted.
  await sleep(heldMs);
  await scene.textFromPeer("held in");
  await sleep(heldMs);
  await release();
  await until(
    "both",
    async () => (await scene.sentTexts()).length === 2 && (await scene.device()).messagesPending === 0,
  );
  await scene.exchange(session, "next");
  expect(await scene.sentTexts()).toEqual(["first out", "held out", "next out"]);
  expect(await scene.inboxTexts()).toEqual(["first in", "one in", "held in", "next in"]);
  expect(await scene.unreadable()).toBe(0);
});

it("a text on the session of before leaves the one whole that a process begins with its first text", async () => {
  const first = await linkedAlone(scene.run, scene.phone);
  await scene.exchange(first, "first");
  first.signal("SIGTERM");
  await first.exited();
  await using session = new AloneProcess(scene.run);
  await session.connected();
  // The peer gets the new session late, and goes on with the old one until then.
  await simulator.client.setScenarioOf(scene.phone, {
    rules: [{ stage: "message", times: 1, delayMs: heldMs, action: { kind: "delay" } }],
  });
  await scene.enqueue("on a new session");
  await until("its arrival", async () => {
    const { ruleUses } = await simulator.client.stats();
    return ruleUses[`${scene.phone}.rules[0]`] === 1;
  });
  for (const text of ["still on the old", "and again"]) await scene.textFromPeer(text);
  await until("all", async () => (await scene.queued()) === 0 && (await scene.device()).messagesPending === 0);
  await scene.enqueue("on it too");
  await until("the text", async () => (await scene.sentTexts()).includes("on it too"));
  await scene.exchange(session, "next");
  expect(await scene.sentTexts()).toEqual(["first out", "on a new session", "on it too", "next out"]);
  expect(await scene.inboxTexts()).toEqual(["first in", "still on the old", "and again", "next in"]);
  expect(await scene.unreadable()).toBe(0);
  expect(await scene.device()).toMatchObject({ retryReceipts: 0, messagesRefused: 0 });
});

it("killed while the commit is held, nothing is lost and nothing doubled", async () => {
  const session = await linkedAlone(scene.run, scene.phone);
  await scene.exchange(session, "first");
  const release = await holdWrites(scene.url, "wa_value", "wa_inbox");
  session.send(`+${peer}`, "held out");
  await scene.textFromPeer("held in");
  await sleep(heldMs);
  session.signal("SIGKILL");
  await session.exited();
  expect(await scene.sentTexts()).toEqual(["first out"]);
  await release();

  await using again = new AloneProcess(scene.run);
  await again.connected();
  await until(
    "both",
    async () => (await scene.sentTexts()).length === 2 && (await scene.device()).messagesPending === 0,
  );
  expect(await scene.sentTexts()).toEqual(["first out", "held out"]);
  expect(await scene.inboxTexts()).toEqual(["first in", "held in"]);
  // A ratchet that had turned without its commit would show here: the next texts could not be read.
  again.send(`+${peer}`, "after out");
  await scene.textFromPeer("after in");
  await until("both", async () => (await scene.sentTexts()).length === 3 && (await scene.inboxTexts()).length === 3);
  expect(await scene.device()).toMatchObject({ messagesRefused: 0, messagesRepeated: 0, retryReceipts: 0 });
});

it("killed after the send and before it could be noted, it is sent again as the same message", async () => {
  const session = await linkedAlone(scene.run, scene.phone);
  await scene.exchange(session, "first");
  // Written by a connection of its own, so that the row is there before the lock.
  session.send(`+${peer}`, "once");
  const release = await until("the row", async () => {
    const held = await holdWrites(scene.url, "wa_outbox");
    if ((await scene.queued()) === 1) return held;
    await held();
    return undefined;
  });
  await until("the text", async () => (await scene.sentTexts()).includes("once"));
  session.signal("SIGKILL");
  await session.exited();
  await release();
  expect(await scene.queued()).toBe(1);

  await using again = new AloneProcess(scene.run);
  await again.connected();
  await until("the note", async () => (await scene.queued()) === 0);
  expect(await scene.sentTexts()).toEqual(["first out", "once"]);
  expect(await scene.device()).toMatchObject({ messagesRepeated: 1 });
});

it("stored but not acknowledged, a message is acknowledged when it comes again, and stored once", async () => {
  const relay = await startRelay(Number(new URL(simulator.url).port));
  onTestFinished(async () => await relay.close());
  const environment = { ...scene.run.environment, WA_URL: `ws://127.0.0.1:${relay.port}/ws/chat` };
  await using session = await linkedAlone({ ...scene.run, environment }, scene.phone);
  await scene.exchange(session, "first");
  relay.setDeaf(true);
  await scene.textFromPeer("twice");
  await until("the inbox row", async () => (await scene.inboxTexts()).includes("twice"));
  expect(await scene.device()).toMatchObject({ messagesAcknowledged: 1 });
  relay.setDeaf(false);
  relay.cut();
  await until("the receipt", async () => (await scene.device()).messagesAcknowledged === 2);
  expect(await scene.inboxTexts()).toEqual(["first in", "twice"]);
  expect(await scene.device()).toMatchObject({ messagesRedelivered: 1, messagesRefused: 0, retryReceipts: 0 });
});

/** A relay that can lose what the client says while it passes on what the server says. */
async function startRelay(port: number) {
  let isDeaf = false;
  const sockets = new Set<Socket>();
  const server = await serve((socket) => {
    const upstream = connect(port, "127.0.0.1");
    sockets.add(socket);
    upstream.on("error", () => socket.destroy());
    upstream.on("close", () => socket.destroy());
    socket.on("close", () => {
      sockets.delete(socket);
      upstream.destroy();
    });
    socket.on("data", (said) => {
      if (!isDeaf) upstream.write(said);
    });
    upstream.pipe(socket);
  });
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const setDeaf = (next: boolean): void => {
    isDeaf = next;
  };
  return { port: server.port, close: async () => await server.close(), cut, setDeaf };
}

it("the store gone for a while, the session keeps its socket and loses nothing", async () => {
  await using session = await linkedAlone(scene.run, scene.phone);
  await scene.exchange(session, "first");
  const before = await scene.device();
  await postgres.crash();
  await scene.textFromPeer("meanwhile");
  await sleep(heldMs);
  expect(await scene.device()).toMatchObject({ messagesAcknowledged: 1, messagesRefused: 0, socketsNow: 1 });
  await postgres.start();
  await until("the receipt", async () => (await scene.device()).messagesAcknowledged === 2, 40_000);
  expect(await scene.inboxTexts()).toEqual(["first in", "meanwhile"]);
  expect(await scene.device()).toMatchObject({ socketsEver: before.socketsEver, retryReceipts: 0 });
});
