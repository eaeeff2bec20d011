import { startSimulator, type Simulator } from "@wa/simulator";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { SessionsBench } from "./sessions-bench.ts";
import { databaseKinds, type Databases } from "./store-fixture.ts";
import { until } from "./until.ts";

/** What the server does not acknowledge, answers with an error or refuses: judged by what the peer decrypted, and how often. */
const answerWithinMs = 2_500;
const texts = (count: number): string[] => Array.from({ length: count }, (_none, number) => `text ${number}`);

let accounts = 0;

describe.each(databaseKinds)("an outbox on %s", (kind, start) => {
  let databases: Databases;
  let simulator: Simulator;
  let bench: SessionsBench;
  let phone: string;
  let peer: string;
  let other: string;

  beforeAll(async () => {
    [databases, simulator] = await Promise.all([start(), startSimulator()]);
  });
  afterAll(async () => {
    await simulator[Symbol.asyncDispose]();
    await databases.stop();
  });
  beforeEach(async () => {
    accounts += 1;
    const number = (digit: number): string => `336730${digit}${String(accounts).padStart(4, "0")}`;
    [phone, peer, other] = [number(1), number(2), number(3)];
    const limits = { answerWithinMs, mostUnderWay: 100 };
    bench = await SessionsBench.open({ simulator, storeUrl: await databases.freshUrl(), outboxLimits: limits });
    await bench.link("d", phone);
    return async () => await bench[Symbol.asyncDispose]();
  });

  const received = async (by = peer) => (await simulator.client.messages(by)).map(({ text }) => text).toSorted();
  const device = async () => (await simulator.client.stats(phone)).devices[`${phone}:1`];
  const states = async () => (await bench.outbox("d")).map(({ state }) => state);
  const answering = async (...rules: Parameters<Simulator["client"]["setScenarioOf"]>[1]["rules"] & object) =>
    await simulator.client.setScenarioOf(phone, { rules });

  it("texts that the server does not acknowledge hold up no other, and go again under their ids", async () => {
    await answering({ stage: "message", times: 20, action: { kind: "silence" } });
    const ids = [];
    for (const text of texts(20)) ids.push(await bench.send("d", peer, text));
    await until(
      "20 texts on their way",
      async () => (await simulator.client.stats()).ruleUses[`${phone}.rules[0]`] === 20,
    );
    const startedMs = performance.now();
    await bench.send("d", other, "the 21st");
    await until("the 21st", async () => (await received(other)).length === 1);
    expect(performance.now() - startedMs).toBeLessThan(answerWithinMs);
    await until("all others", async () => (await received()).length === 20);
    expect((await simulator.client.messages(peer)).map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
    await until("their notes", async () => (await states()).every((state) => state === "Sent"));
    expect(await device()).toMatchObject({ messagesRepeated: 0, socketsEver: 1 });
  });

  it("a server that acknowledges nothing at all is left for a new connection, by which the texts arrive once", async () => {
    await answering({ stage: "message", action: { kind: "silence" } });
    await bench.send("d", peer, "first");
    await bench.send("d", other, "second");
    const reason = `the server acknowledged no message for ${2 * answerWithinMs} ms`;
    const ended = await bench.reported("d", "the end", ({ lastDisconnect }) => lastDisconnect?.message === reason);
    expect(ended.lastDisconnect).toMatchObject({ cause: "NetworkLoss", statusCode: 408 });
    const [putBack] = (await bench.outbox("d")).filter(({ attempts }) => attempts > 0);
    expect(putBack).toMatchObject({ state: "Queued", error: "code 408: the server did not acknowledge it" });
    await simulator.client.clearScenario(phone);
    await until("both texts", async () => (await received()).length + (await received(other)).length === 2);
    await until("their notes", async () => (await states()).every((state) => state === "Sent"));
    expect(await device()).toMatchObject({ messagesRepeated: 0 });
    expect((await device())?.socketsEver).toBeGreaterThan(1);
  });

  it.each([
    [
      "the list of devices is refused with 429",
      { xmlns: "usync", action: { kind: "iq-error", code: "429", text: "rate-overlimit" } },
      "code 429: rate-overlimit",
    ],
    [
      "the list of devices is refused with 503",
      { xmlns: "usync", action: { kind: "iq-error", code: "503", text: "busy" } },
      "code 503: busy",
    ],
    [
      "the keys are refused with 503",
      { xmlns: "encrypt", action: { kind: "iq-error", code: "503", text: "busy" } },
      "code 503: busy",
    ],
    [
      "the list of devices is not answered",
      { xmlns: "usync", action: { kind: "silence" } },
      "code 408: the server did not say whose the number is",
    ],
  ] as const)("a text waits while %s, and arrives", async (_words, rule, error) => {
    await answering({ stage: "iq", ...rule });
    const id = await bench.send("d", peer, "patience");
    await until("the note", async () => (await bench.outbox("d"))[0]?.error !== "", 20_000);
    expect((await bench.outbox("d"))[0]).toMatchObject({ state: "Queued", error, attempts: 1 });
    const [line] = bench.logged.filter((each) => each.includes("message put back"));
    expect(JSON.parse(line ?? "{}")).toMatchObject({ messageId: id, why: error });
    await simulator.client.clearScenario(phone);
    await until("the text", async () => (await received()).length === 1, 30_000);
    await until("the note", async () => (await states())[0] === "Sent");
    expect(await simulator.client.messages(peer)).toMatchObject([{ id, text: "patience" }]);
    expect(bench.logged.join("")).not.toContain(peer);
  });

  it("a contact whose devices the server does not tell holds up nobody else", async () => {
    await answering({ stage: "iq", xmlns: "usync", times: 1, action: { kind: "silence" } });
    await bench.send("d", peer, "to the slow one");
    await bench.send("d", other, "to another");
    const startedMs = performance.now();
    await until("the other's text", async () => (await received(other)).length === 1);
    expect(performance.now() - startedMs).toBeLessThan(1_800);
    expect(await received()).toEqual([]);
    await until("the slow one's", async () => (await received()).length === 1, 30_000);
  });

  it.each(["429", "500", "503"])("a text that the server refuses with %s for now is tried again", async (code) => {
    await answering({ stage: "message", times: 1, action: { kind: "ack-error", code } });
    await bench.send("d", peer, "again");
    await until("the text", async () => (await received()).length === 1, 30_000);
    await until("the note", async () => (await states())[0] === "Sent");
    expect(await bench.outbox("d")).toMatchObject([{ attempts: 1, error: "" }]);
    expect(await device()).toMatchObject({ messagesRepeated: 0 });
  });

  it.each(["463", "403", "475"])(
    "a text that the server refuses with %s has failed, with a line in the log",
    async (code) => {
      await answering({ stage: "message", action: { kind: "ack-error", code } });
      const id = await bench.send("d", peer, "no");
      await until("the note", async () => (await states())[0] === "Failed");
      const [row] = await bench.outbox("d");
      expect(row?.error).toMatch(new RegExp(`^code ${code}`));
      const [line] = bench.logged.filter((each) => each.includes("message failed"));
      expect(JSON.parse(line ?? "{}")).toMatchObject({ messageId: id, why: row?.error });
      expect((await simulator.client.stats()).ruleUses[`${phone}.rules[0]`]).toBe(1);
    },
  );

  it.runIf(kind === "sqlite")("a wait outlives the session: whoever runs the device next keeps to it", async () => {
    await answering({ stage: "message", times: 1, action: { kind: "ack-error", code: "503" } });
    await bench.send("d", peer, "later");
    await until("the note", async () => (await bench.outbox("d"))[0]?.attempts === 1);
    const dueMs = Date.now() + 4_000;
    await bench.inDatabase(async ({ db }) => await db.updateTable("wa_outbox").set({ not_before_ms: dueMs }).execute());
    await bench.release("d");
    bench.assign("d", 2);
    await bench.state("d", "Connected");
    await until("the text", async () => (await received()).length === 1);
    expect(Date.now()).toBeGreaterThanOrEqual(dueMs);
  });
});
