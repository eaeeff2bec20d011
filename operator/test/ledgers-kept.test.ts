import { setTimeout as delay } from "node:timers/promises";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LedgerBooks } from "../src/hub/grants/ledger-books.ts";
import { LedgerLeases, ledgerName } from "../src/hub/grants/ledger-leases.ts";
import { ledgerOf, textOf } from "../src/hub/grants/ledger-text.ts";
import { emptyLedger, withStarts } from "../src/hub/grants/start-ledger.ts";
import { Sweeper } from "../src/hub/grants/sweeper.ts";
import { startApiServer, type ApiServer } from "./api-server.ts";
import { AskingPod, limitsOf, newAddress, StoredLedgers } from "./asking-pod.ts";
import { budgetFor, HubStage } from "./hub-stage.ts";

/** Start ledgers as the API server keeps them. */
let server: ApiServer;
let stage: HubStage;
let ledgers: StoredLedgers;

beforeAll(async () => {
  server = await startApiServer();
  stage = await HubStage.on(server);
  ledgers = new StoredLedgers(stage);
});
afterAll(async () => {
  await server.stop();
});

describe("ledgers that pile up", () => {
  const books = () =>
    new LedgerBooks(new LedgerLeases(server.transport, stage.namespace), {
      nowMs: () => server.transport.serverNowMs(),
      steppedAtMs: () => undefined,
    });
  const write = async (subject: string, dueMs: number) => {
    const entry = { dueMs, nonce: "n", pool: "", isTold: false, lateMs: 0 };
    const ledger = { ...withStarts(emptyLedger, "login", [entry]), keepMs: 70_000 };
    await ledgers.make(subject, textOf(ledger));
  };

  it("go once nobody names them and nothing in them counts, and no other Lease goes", async () => {
    const nowMs = server.transport.serverNowMs();
    const [old, namedOne, young, unreadable] = [newAddress(), newAddress(), newAddress(), newAddress()];
    await write(old, nowMs - 3_600_000);
    await write(namedOne, nowMs - 3_600_000);
    await write(young, nowMs - 60_000);
    await ledgers.make(unreadable, "{");
    await ledgers.client.create({ metadata: { namespace: stage.namespace, name: "leader" }, spec: {} });
    const sweeper = new Sweeper({
      books: books(),
      clock: { nowMs: () => server.transport.serverNowMs() },
      logger: pino({ level: "silent" }),
      named: () => new Set([ledgerName(namedOne)]),
    });
    const removed = await sweeper.sweep();
    expect(removed).toContain(ledgerName(old));
    for (const name of [namedOne, young, unreadable]) expect(removed).not.toContain(ledgerName(name));
    expect(await ledgers.client.get(ledgers.nameOf(old))).toBeUndefined();
    expect(await ledgers.client.get({ namespace: stage.namespace, name: "leader" })).toBeDefined();
    await using hub = await stage.hub({ budgetOf: budgetFor(old, limitsOf(5, 60_000)) });
    expect((await (await AskingPod.on(stage, hub, 1)).granted())[0]?.startInMs).toBe(0);
  });
});

it("the API server takes a ledger of the highest limits, full", async () => {
  const address = newAddress();
  await using hub = await stage.hub({ budgetOf: budgetFor(address, limitsOf(3_000, 60_000)) });
  const pods = await Promise.all(Array.from({ length: 3 }, async () => await AskingPod.on(stage, hub, 1_000)));
  for (const pod of pods) expect(await pod.granted("login")).toHaveLength(1_000);
  for (const pod of pods) pod.ask("registration");
  await delay(2_000);
  const text = await ledgers.textOf(address);
  expect((ledgerOf(text)?.login.length ?? 0) + (ledgerOf(text)?.registration.length ?? 0)).toBeGreaterThan(3_000);
  expect(text.length).toBeLessThan(262_144);
});
