import { randomBytes } from "node:crypto";
import { proto } from "@whiskeysockets/baileys/WAProto/index.js";
import { startSimulator, type Simulator } from "@wa/simulator";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { currentDataKey } from "@wa/schema";
import { createDatabase } from "../src/store/database.ts";
import { listInbox } from "../src/store/list-inbox.ts";
import { createSealer } from "../src/store/seal.ts";
import { readableText } from "../src/whatsapp/message-text.ts";
import { nestedMessage } from "./nested-message.ts";
import { SessionsBench } from "./sessions-bench.ts";
import { databaseKinds, deviceKey, masterKey, type Databases } from "./store-fixture.ts";
import { until } from "./until.ts";

/**
 * A message whose head the sender's client, or the server, chose so that a database cannot hold it. Assumed of the real server:
 * that it passes such ids, addresses and times on.
 */
type Poison = readonly [name: string, attrs: Readonly<Record<string, string>>, plaintext?: Uint8Array];
const poisons: readonly Poison[] = [
  ["a time that is no number", { t: "soon" }],
  ["a time before all times", { t: "-99999999999999" }],
  ["a time beyond the calendar", { t: "99999999999999" }],
  ["a time with a fraction", { t: "1790000000.5" }],
  ["a time that is no finite number", { t: "1e999" }],
  ["an id that ends with NUL", { id: "E2\u0000" }],
  ["an id that fits no index", { id: randomBytes(2_000).toString("base64") }],
  ["a participant that fits no column", { participant: `${"1".repeat(3_000)}@s.whatsapp.net` }],
  ["a participant of NULs and a time that is none", { participant: `${"\u0000".repeat(9)}@s.whatsapp.net`, t: "NaN" }],
  ["an id of 200,000 bytes", { id: "é".repeat(100_000) }],
  ["bytes that are no message", {}, Buffer.from([0xff, 0xff, 0xff])],
  ["no bytes at all", {}, new Uint8Array()],
  ["20,000 wrappers", {}, nestedMessage(20_000)],
  ["700 kilobytes of text", {}, proto.Message.encode({ conversation: "x".repeat(700_000) }).finish()],
];

const friend = "33677000098";
const stranger = "33677000099";

let simulator: Simulator;
beforeAll(async () => {
  simulator = await startSimulator();
});
afterAll(async () => {
  await simulator[Symbol.asyncDispose]();
});

describe.each(databaseKinds)("one device on %s", (kind, start) => {
  const phone = kind === "sqlite" ? "33671000001" : "33672000001";
  let databases: Databases;
  let storeUrl: string;
  let bench: SessionsBench;
  beforeAll(async () => {
    databases = await start();
    storeUrl = await databases.freshUrl();
    bench = await SessionsBench.open({ simulator, storeUrl });
    await bench.link("d", phone, { connectTimeoutMs: 20_000, queryTimeoutMs: 30_000, keepAliveIntervalMs: 30_000 });
  });
  afterAll(async () => {
    await bench[Symbol.asyncDispose]();
    await databases.stop();
  });

  async function inbox(): Promise<(string | null)[]> {
    const key = deviceKey("d");
    const database = createDatabase(storeUrl);
    try {
      const sealer = createSealer(key, [currentDataKey(masterKey, key)]);
      const texts = [];
      for await (const { plaintext } of listInbox(database, { device: key, sealer }, 0))
        texts.push(readableText(plaintext).text);
      return texts;
    } finally {
      await database.db.destroy();
    }
  }
  async function asides(): Promise<number> {
    return (await bench.metrics.setAside.get()).values[0]?.value ?? 0;
  }
  async function pending(): Promise<number> {
    const [device] = Object.values((await simulator.client.stats(phone)).devices);
    return device?.messagesPending ?? -1;
  }

  it.for(poisons)("hears everybody after a message with %s", async ([name, attrs, plaintext]) => {
    const [textsBefore, asidesBefore] = [(await inbox()).length, await asides()];
    const content =
      plaintext === undefined ? { text: `poison: ${name}` } : { base64: Buffer.from(plaintext).toString("base64") };
    await simulator.client.message(friend, phone, { ...content, attrs });
    await simulator.client.text(friend, phone, `of the same after ${name}`);
    await simulator.client.text(stranger, phone, `of another after ${name}`);
    await until("those after it", async () => {
      const texts = await inbox();
      return [`of the same after ${name}`, `of another after ${name}`].every((text) => texts.includes(text));
    });
    await until("every acknowledgement", async () => (await pending()) === 0);
    const isAside = "id" in attrs || "participant" in attrs;
    expect(await inbox()).toHaveLength(textsBefore + (isAside ? 2 : 3));
    expect(await asides()).toBe(asidesBefore + (isAside ? 1 : 0));
    expect(bench.last("d")?.state).toBe("Connected");
  });
});
