import { randomBytes } from "node:crypto";
import { startSimulator, type Simulator } from "@wa/simulator";
import { afterAll, beforeAll, describe, expect, it, type TestContext } from "vitest";
import { currentDataKey } from "@wa/schema";
import { createDatabase } from "../src/store/database.ts";
import { listInbox } from "../src/store/list-inbox.ts";
import { createSealer } from "../src/store/seal.ts";
import { messageText } from "../src/whatsapp/message-text.ts";
import { SessionsBench } from "./sessions-bench.ts";
import { databaseKinds, deviceKey, masterKey, type Databases } from "./store-fixture.ts";
import { until } from "./until.ts";

/**
 * A message whose head the sender's client, or the server, chose so that a database cannot hold it. Assumed of the real server:
 * that it passes such ids, addresses and times on.
 */
const poisons: readonly (readonly [name: string, attrs: Readonly<Record<string, string>>])[] = [
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

describe.each(databaseKinds)("after a message on %s with", (kind, start) => {
  let databases: Databases;
  let accounts = 0;
  beforeAll(async () => {
    databases = await start();
  });
  afterAll(() => databases.stop());

  async function connected(onTestFinished: TestContext["onTestFinished"]) {
    accounts += 1;
    const phone = `3367${kind === "sqlite" ? 1 : 2}00${String(accounts).padStart(4, "0")}`;
    const storeUrl = await databases.freshUrl();
    const bench = await SessionsBench.open({ simulator, storeUrl });
    onTestFinished(async () => await bench[Symbol.asyncDispose]());
    bench.assign("d", 1);
    const { qr } = await bench.reported("d", "a code", (report) => report.qr !== undefined);
    await simulator.client.scan(phone, qr?.code ?? "");
    await bench.state("d", "Connected");
    const inbox = async (): Promise<(string | undefined)[]> => {
      const key = deviceKey("d");
      const database = createDatabase(storeUrl);
      try {
        const sealer = createSealer(key, [currentDataKey(masterKey, key)]);
        const texts = [];
        for await (const { plaintext } of listInbox(database, { device: key, sealer }, 0))
          texts.push(messageText(plaintext));
        return texts;
      } finally {
        await database.db.destroy();
      }
    };
    const pending = async (): Promise<number> => {
      const [device] = Object.values((await simulator.client.stats(phone)).devices);
      return device?.messagesPending ?? -1;
    };
    return { phone, bench, inbox, pending };
  }

  it.concurrent.for(poisons)("%s the next message of anybody arrives", async ([_name, attrs], { onTestFinished }) => {
    const { phone, bench, inbox, pending } = await connected(onTestFinished);
    await simulator.client.text(friend, phone, "first");
    await until("the first", async () => (await inbox()).includes("first"));
    await simulator.client.message(friend, phone, { text: "poison", attrs });
    await simulator.client.text(friend, phone, "of the same");
    await simulator.client.text(stranger, phone, "of another");
    await until(
      "those after it",
      async () => {
        const texts = await inbox();
        return texts.includes("of the same") && texts.includes("of another");
      },
      10_000,
    );
    await until("every acknowledgement", async () => (await pending()) === 0, 10_000);
    const isAside = "id" in attrs || "participant" in attrs;
    expect(await bench.metrics.setAside.get()).toMatchObject({
      values: isAside ? [{ value: 1, labels: { reason: "Names" } }] : [],
    });
    expect((await inbox()).includes("poison")).toBe(!isAside);
  });
});
