import { mkdtemp, readFile, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { alone, currentDataKey, parseMasterKey, storeKey } from "@wa/schema";
import { startSimulator, type Simulator } from "@wa/simulator";
import { Client } from "pg";
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from "vitest";
import { createDatabase } from "../src/store/database.ts";
import { listInbox } from "../src/store/list-inbox.ts";
import { createSealer } from "../src/store/seal.ts";
import { messageText } from "../src/whatsapp/message-text.ts";
import { AloneProcess, linkedAlone, type AloneOptions } from "./alone-process.ts";
import { serve } from "./egress-servers.ts";
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
let phone: string;
let url: string;
let run: AloneOptions;
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
  phone = `3362000${String(accounts).padStart(4, "0")}`;
  url = await postgres.createDatabase(`d${accounts}`);
  const folder = await mkdtemp(join(tmpdir(), "wa-durable-"));
  onTestFinished(async () => await rm(folder, { recursive: true, force: true }));
  run = { simulator, folder, environment: { WA_STORE: url } };
});

it("the store crashes under a commit: the process and the socket live on, and the message is acknowledged later", async () => {
  await using session = await linkedAlone(run, phone);
  await exchange(session);
  const before = await device();
  await holdWrites("wa_value", "wa_inbox");
  await simulator.client.text(peer, phone, "meanwhile");
  await sleep(500);
  await postgres.crash();
  await sleep(500);
  await postgres.start();
  await until("the receipt", async () => (await device()).messagesAcknowledged === 2, 40_000);
  expect(await inboxTexts()).toEqual(["first in", "meanwhile"]);
  expect(await device()).toMatchObject({ socketsEver: before.socketsEver, messagesRefused: 0, retryReceipts: 0 });
});

it("the phone hears of the link after the credentials are stored", async () => {
  await using session = new AloneProcess(run);
  const qr = await session.qr();
  const release = await holdWrites("wa_value");
  const scanned = simulator.client.scan(phone, qr);
  await sleep(heldMs);
  expect((await simulator.client.stats(phone)).devices).toEqual({});
  await release();
  await scanned;
  await session.connected();
});

it("killed before the credentials are stored, the device is not linked, and a new scan links it", async () => {
  const session = new AloneProcess(run);
  const qr = await session.qr();
  const release = await holdWrites("wa_value");
  const scanned = simulator.client.scan(phone, qr).catch(() => undefined);
  await sleep(1_000);
  session.signal("SIGKILL");
  await session.exited();
  await release();
  await scanned;
  expect((await simulator.client.stats(phone)).devices).toEqual({});
  await using again = await linkedAlone(run, phone);
  expect(again.last?.paired).toBe(true);
});

it("every prekey that the server has is in the store, however the first upload broke", async () => {
  await simulator.client.setScenarioOf(phone, {
    rules: [{ stage: "iq", xmlns: "encrypt", child: "registration", times: 1, action: { kind: "reset" } }],
  });
  await using session = await linkedAlone(run, phone);
  // What the dead socket had under way would land by now.
  await sleep(heldMs);
  const { preKeyIds = [] } = await device();
  expect(preKeyIds.length).toBeGreaterThanOrEqual(812);
  const client = new Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query("select id from wa_value where type = 'pre-key'");
  await client.end();
  const stored = new Set(rows.map((row: { id: string }) => Number(row.id)));
  expect(preKeyIds.filter((id) => !stored.has(id))).toEqual([]);
  expect(session.reports.some(({ lastDisconnect }) => lastDisconnect?.cause === "NetworkLoss")).toBe(true);
  await simulator.client.text(peer, phone, "by a prekey");
  await until("the text", async () => (await inboxTexts()).includes("by a prekey"));
});

/** No write to these tables ends until the returned function is called; reads go on. */
async function holdWrites(...tables: readonly string[]): Promise<() => Promise<void>> {
  const client = new Client({ connectionString: url });
  // A server that is made to crash takes this connection along.
  client.on("error", () => undefined);
  await client.connect();
  await client.query("begin");
  await client.query(`lock table ${tables.join(", ")} in exclusive mode`);
  return async () => {
    await client.query("rollback");
    await client.end();
  };
}

async function device() {
  const { devices } = await simulator.client.stats(phone);
  const [stats] = Object.values(devices);
  if (stats === undefined) throw new Error("no device of this account");
  return stats;
}

const sentTexts = async (): Promise<string[]> =>
  (await simulator.client.messages(peer)).filter(({ from }) => from === phone).map(({ text }) => text);

async function inboxTexts(): Promise<string[]> {
  const key = storeKey(alone.installation, alone.namespace, "demo");
  const masterKey = parseMasterKey(await readFile(join(run.folder, "demo.key"), "utf8"));
  const database = createDatabase(url);
  const sealer = createSealer(key, [currentDataKey(masterKey, key)]);
  const texts: string[] = [];
  for await (const { plaintext } of listInbox(database, { device: key, sealer }, 0)) {
    const text = messageText(plaintext);
    if (text !== undefined) texts.push(text);
  }
  await database.db.destroy();
  return texts;
}

/** Both ratchets have turned once, so that what follows is ordinary traffic. */
async function exchange(session: AloneProcess): Promise<void> {
  session.send(`+${peer}`, "first out");
  await simulator.client.text(peer, phone, "first in");
  await until("both", async () => (await sentTexts()).length === 1 && (await device()).messagesAcknowledged === 1);
}

it("while a commit is held the server sees neither message nor receipt; after it both, on the same socket", async () => {
  await using session = await linkedAlone(run, phone);
  await exchange(session);
  const before = await device();
  const release = await holdWrites("wa_value", "wa_inbox");
  session.send(`+${peer}`, "held out");
  await simulator.client.text(peer, phone, "held in");
  await sleep(heldMs);
  expect(await sentTexts()).toEqual(["first out"]);
  expect(await device()).toMatchObject({ messagesAcknowledged: 1, messagesRefused: 0, receipts: before.receipts });

  await release();
  await until("both", async () => (await sentTexts()).length === 2 && (await device()).messagesAcknowledged === 2);
  expect(await sentTexts()).toEqual(["first out", "held out"]);
  expect(await inboxTexts()).toEqual(["first in", "held in"]);
  expect(await device()).toMatchObject({
    socketsEver: before.socketsEver,
    messagesRefused: 0,
    messagesRepeated: 0,
    retryReceipts: 0,
  });
});

it("killed while the commit is held, nothing is lost and nothing doubled", async () => {
  const session = await linkedAlone(run, phone);
  await exchange(session);
  const release = await holdWrites("wa_value", "wa_inbox");
  session.send(`+${peer}`, "held out");
  await simulator.client.text(peer, phone, "held in");
  await sleep(heldMs);
  session.signal("SIGKILL");
  await session.exited();
  expect(await sentTexts()).toEqual(["first out"]);
  await release();

  await using again = new AloneProcess(run);
  await again.connected();
  await until("both", async () => (await sentTexts()).length === 2 && (await device()).messagesPending === 0);
  expect(await sentTexts()).toEqual(["first out", "held out"]);
  expect(await inboxTexts()).toEqual(["first in", "held in"]);
  // A ratchet that had turned without its commit would show here: the next texts could not be read.
  again.send(`+${peer}`, "after out");
  await simulator.client.text(peer, phone, "after in");
  await until("both", async () => (await sentTexts()).length === 3 && (await inboxTexts()).length === 3);
  expect(await device()).toMatchObject({ messagesRefused: 0, messagesRepeated: 0, retryReceipts: 0 });
});

it("killed after the send and before it could be noted, it is sent again as the same message", async () => {
  const session = await linkedAlone(run, phone);
  await exchange(session);
  // Written by a connection of its own, so that the row is there before the lock.
  session.send(`+${peer}`, "once");
  const release = await until("the row", async () => {
    const held = await holdWrites("wa_outbox");
    if ((await queued()) === 1) return held;
    await held();
    return undefined;
  });
  await until("the text", async () => (await sentTexts()).includes("once"));
  session.signal("SIGKILL");
  await session.exited();
  await release();
  expect(await queued()).toBe(1);

  await using again = new AloneProcess(run);
  await again.connected();
  await until("the note", async () => (await queued()) === 0);
  expect(await sentTexts()).toEqual(["first out", "once"]);
  expect(await device()).toMatchObject({ messagesRepeated: 1 });
});

it("stored but not acknowledged, a message is acknowledged when it comes again, and stored once", async () => {
  const relay = await startRelay(Number(new URL(simulator.url).port));
  onTestFinished(async () => await relay.close());
  const environment = { ...run.environment, WA_URL: `ws://127.0.0.1:${relay.port}/ws/chat` };
  await using session = await linkedAlone({ ...run, environment }, phone);
  await exchange(session);
  relay.setDeaf(true);
  await simulator.client.text(peer, phone, "twice");
  await until("the inbox row", async () => (await inboxTexts()).includes("twice"));
  expect(await device()).toMatchObject({ messagesAcknowledged: 1 });
  relay.setDeaf(false);
  relay.cut();
  await until("the receipt", async () => (await device()).messagesAcknowledged === 2);
  expect(await inboxTexts()).toEqual(["first in", "twice"]);
  expect(await device()).toMatchObject({ messagesRedelivered: 1, messagesRefused: 0, retryReceipts: 0 });
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
  await using session = await linkedAlone(run, phone);
  await exchange(session);
  const before = await device();
  await postgres.crash();
  await simulator.client.text(peer, phone, "meanwhile");
  await sleep(heldMs);
  expect(await device()).toMatchObject({ messagesAcknowledged: 1, messagesRefused: 0, socketsNow: 1 });
  await postgres.start();
  await until("the receipt", async () => (await device()).messagesAcknowledged === 2, 40_000);
  expect(await inboxTexts()).toEqual(["first in", "meanwhile"]);
  expect(await device()).toMatchObject({ socketsEver: before.socketsEver, retryReceipts: 0 });
});

async function queued(): Promise<number> {
  const client = new Client({ connectionString: url });
  await client.connect();
  const { rowCount } = await client.query("select 1 from wa_outbox where state = 'Queued'");
  await client.end();
  return rowCount ?? 0;
}
