import { startSimulator, type Simulator } from "@wa/simulator";
import { afterAll, beforeAll, expect, it } from "vitest";
import { SessionsBench } from "./sessions-bench.ts";
import { startSqlite, type Databases } from "./store-fixture.ts";
import { until } from "./until.ts";

/** A retry receipt names a message by its id alone. Judged by what peers decrypted, and what reached their devices. */
const [phone, peer, stranger] = ["33674000001", "33674000002", "33674000003"];
const hidden = (number: string): string => `9${number.padStart(15, "0")}@lid`;
const byNumber = (number: string): string => `${number}@s.whatsapp.net`;
const group = "120363000000000001@g.us";

let simulator: Simulator;
let databases: Databases;
let bench: SessionsBench;
let id: string;
let asked = 0;

beforeAll(async () => {
  [simulator, databases] = await Promise.all([startSimulator(), startSqlite()]);
  bench = await SessionsBench.open({ simulator, storeUrl: await databases.freshUrl() });
  await bench.link("d", phone);
  await bench.link("of-the-stranger", stranger);
  id = await bench.send("d", peer, "for the peer alone");
  await until("the text", async () => (await simulator.client.messages(peer)).length === 1);
});
afterAll(async () => {
  await bench[Symbol.asyncDispose]();
  await simulator[Symbol.asyncDispose]();
  await databases.stop();
});

const device = async (of = phone) => {
  const { devices } = await simulator.client.stats(of);
  const found = devices[`${of}:1`];
  if (found === undefined) throw new Error("no device");
  return found;
};

/** The server hands the device a retry receipt; resolves once the device has dealt with it. */
async function askAgain(attrs: Record<string, string>, of = id): Promise<void> {
  asked += 1;
  const count = String(asked);
  const acks = async () =>
    (await simulator.client.stats(phone)).connections
      .flatMap(({ answers }) => answers)
      .filter((answer) => answer === `ack receipt ${of}`).length;
  const before = await acks();
  await simulator.client.inject(
    { phone },
    {
      tag: "receipt",
      attrs: { id: of, type: "retry", t: "1790000000", ...attrs },
      content: [{ tag: "retry", attrs: { count: "1", id: of, t: "1790000000", v: "1" } }],
    },
  );
  await until(`the answer to question ${count}`, async () => (await acks()) > before);
}

it.each([
  ["a stranger", { from: byNumber(stranger) }],
  ["a stranger's hidden number", { from: hidden(stranger) }],
  ["a stranger's device", { from: `${stranger}:1@s.whatsapp.net` }],
  [
    "a stranger's device in the recipient's name",
    { from: byNumber(peer), participant: `${stranger}:1@s.whatsapp.net` },
  ],
  [
    "a stranger's device in the recipient's hidden name",
    { from: hidden(peer), participant: `${stranger}:1@s.whatsapp.net` },
  ],
  ["a member of a group", { from: group, participant: byNumber(stranger) }],
  ["the own phone, for the stranger", { from: byNumber(phone), recipient: byNumber(stranger) }],
])("asked for it again by %s, the device sends a text to nobody", async (_who, attrs) => {
  const before = await device();
  await askAgain(attrs);
  expect(await device()).toMatchObject({ messagesReceived: before.messagesReceived });
  expect(await simulator.client.messages(stranger)).toEqual([]);
  expect(await device(stranger)).toMatchObject({ messagesDelivered: 0 });
});

it("what somebody else wrote is not sent again in the account's name", async () => {
  const theirs = await simulator.client.text(peer, phone, "written by the peer");
  await until("the peer's text", async () => (await device()).messagesAcknowledged > 0);
  const before = await device();
  await askAgain({ from: byNumber(peer) }, theirs);
  expect(await device()).toMatchObject({ messagesReceived: before.messagesReceived });
});

it.each([
  ["by number", { from: byNumber(peer) }],
  ["by hidden number", { from: hidden(peer) }],
])("asked for it again by the recipient, %s, the device sends it once more under its id", async (_how, attrs) => {
  const { messagesRepeated } = await device();
  await askAgain(attrs);
  expect(await device()).toMatchObject({ messagesRepeated: messagesRepeated + 1 });
  expect(await simulator.client.messages(peer)).toMatchObject([{ id, text: "for the peer alone" }]);
});
