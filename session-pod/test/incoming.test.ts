import { startSimulator, type Simulator } from "@wa/simulator";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { messagesOf } from "./messages-program.ts";
import { SessionsBench } from "./sessions-bench.ts";
import { databaseKinds, type Databases } from "./store-fixture.ts";
import { until } from "./until.ts";

/** What became of messages that a device could not read, and who wrote the others: as `messages read` prints it. */
const Line = z.object({
  messageId: z.string(),
  chat: z.string(),
  chatAlias: z.string().nullable(),
  sender: z.string(),
  text: z.string().nullable(),
  missing: z.string().optional(),
});
const byNumber = (number: string): string => `${number}@s.whatsapp.net`;
const hidden = (number: string): string => `9${number.padStart(15, "0")}@lid`;
const group = "120363000000000001@g.us";

let accounts = 0;

describe.each(databaseKinds)("incoming messages, with a store on %s", (_kind, start) => {
  let databases: Databases;
  let simulator: Simulator;
  let bench: SessionsBench;
  let url: string;
  let phone: string;
  let peer: string;

  beforeAll(async () => {
    [databases, simulator] = await Promise.all([start(), startSimulator()]);
  });
  afterAll(async () => {
    await simulator[Symbol.asyncDispose]();
    await databases.stop();
  });
  beforeEach(async () => {
    accounts += 1;
    [phone, peer] = [`3367510${accounts}`, `3367520${accounts}`];
    url = await databases.freshUrl();
    bench = await SessionsBench.open({ simulator, storeUrl: url });
    await bench.link("d", phone);
    return async () => await bench[Symbol.asyncDispose]();
  });

  const read = async () => z.array(Line).parse(await messagesOf("d", url, ["read"]));
  const counted = async (result: string): Promise<number> => {
    const text = await bench.metrics.registry.metrics();
    return Number(new RegExp(`whatsapp_messages_incoming_total\\{result="${result}"\\} (\\d+)`).exec(text)?.[1] ?? 0);
  };
  /** The inbox, once a message that was sent after all others has come. */
  async function readAll() {
    const last = await simulator.client.text(peer, phone, "last");
    await until("the last text", async () =>
      (await read()).some(({ messageId, text }) => messageId === last && text === "last"),
    );
    return (await read()).filter(({ messageId }) => messageId !== last);
  }

  it("what does not decrypt stands in the inbox until its good copy takes its place, with a number of its own", async () => {
    // The requests for another copy take their time.
    const slow = { stage: "receipt", delayMs: 4_000, action: { kind: "delay" } } as const;
    await simulator.client.setScenarioOf(phone, { rules: [slow] });
    const id = await simulator.client.message(peer, phone, { text: "at last", form: "undecryptable", times: 2 });
    await until("its trace", async () => (await counted("AskedAgain")) > 0);
    const [trace] = await until("its row", async () => {
      const rows = await bench.inDatabase(async ({ db }) => await db.selectFrom("wa_inbox").selectAll().execute());
      return rows.length > 0 && rows;
    });
    expect(trace).toMatchObject({ chat: byNumber(peer), missing: "AskedAgain" });
    // Under its own id an older program would take the good copy for one that it has.
    expect(trace?.message_id).not.toBe(id);
    await simulator.client.clearScenario(phone);
    await until("the good copy", async () => (await counted("Read")) === 1, 30_000);
    const rows = await messagesOf("d", url, ["read"]);
    expect(rows).toMatchObject([{ messageId: id, chat: byNumber(peer), text: "at last" }]);
    expect(rows[0]).not.toHaveProperty("missing");
    expect(await messagesOf("d", url, ["read", "--after", String(trace?.seq)])).toEqual(rows);
  });

  it.each([
    ["does not decrypt, however often it is asked for", "undecryptable", "GivenUp"],
    ["is to a group whose key never came", "group-without-key", "GivenUp"],
    ["the server has for no linked device", "unavailable", "Unavailable"],
    ["is to be viewed once", "view-once", "Unavailable"],
    ["is a bot's", "bot", "NotSupported"],
    ["is encrypted in an unknown way", "unknown", "NotSupported"],
  ] as const)("a message that %s leaves a row and a count", async (_words, form, missing) => {
    const id = await simulator.client.message(peer, phone, { text: "never seen", form });
    await until("the count", async () => (await counted(missing)) > 0, 40_000);
    const [row, ...others] = await readAll();
    expect([row, others]).toMatchObject([{ messageId: id, text: null, missing }, []]);
    if (form === "group-without-key") expect(row).toMatchObject({ chat: group, sender: byNumber(peer) });
  });

  it("posts of a channel are counted and leave no row", async () => {
    await simulator.client.message(peer, phone, { text: "to everybody", form: "newsletter" });
    await until("the count", async () => (await counted("NotSupported")) === 1);
    expect(await readAll()).toEqual([]);
  });

  it("one sender's trace gives way to nobody else's message of the same id", async () => {
    const other = `${peer}9`;
    await simulator.client.message(peer, phone, { text: "x", form: "unavailable", attrs: { id: "SAME" } });
    await until("its trace", async () => (await counted("Unavailable")) === 1);
    await simulator.client.message(other, phone, { text: "good", attrs: { id: "SAME" } });
    expect(await readAll()).toMatchObject([
      { messageId: "SAME", chat: byNumber(peer), missing: "Unavailable" },
      { messageId: "SAME", chat: byNumber(other), text: "good" },
    ]);
  });

  it("a person is one chat, whichever address the server used, and is answered by the name that was printed", async () => {
    const alias = hidden(peer);
    await simulator.client.message(peer, phone, { text: "by number", attrs: { sender_lid: null } });
    await until("the first", async () => (await read()).length === 1);
    await simulator.client.message(peer, phone, {
      text: "by hidden number, with the number",
      attrs: { from: alias, sender_lid: null, sender_pn: byNumber(peer) },
    });
    await until("both", async () => (await read()).length === 2);
    await simulator.client.message(peer, phone, {
      text: "by hidden number alone",
      attrs: { from: alias, sender_lid: null },
    });
    const rows = await readAll();
    expect(rows).toMatchObject([
      { text: "by number" },
      { text: "by hidden number, with the number" },
      { text: "by hidden number alone" },
    ]);
    for (const row of rows)
      expect(row).toMatchObject({ chat: byNumber(peer), chatAlias: alias, sender: byNumber(peer) });
    await messagesOf("d", url, ["send", "--to", rows[0]?.chat ?? "", "--text", "an answer"]);
    await until("the answer", async () => (await simulator.client.messages(peer)).length === 1);
  });

  it("one of whom nothing but the hidden number is known is answered by that", async () => {
    await simulator.client.message(peer, phone, { text: "who am I", attrs: { from: hidden(peer), sender_lid: null } });
    const [row] = await until("the text", async () => {
      const rows = await read();
      return rows.length > 0 && rows;
    });
    expect(row).toMatchObject({ chat: hidden(peer), chatAlias: null, text: "who am I" });
    await messagesOf("d", url, ["send", "--to", row?.chat ?? "", "--text", "you are"]);
    await until("the answer", async () => (await simulator.client.messages(peer)).length === 1);
    expect(await simulator.client.messages(peer)).toMatchObject([{ text: "you are", from: phone }]);
  });

  it("a member of a group has both addresses too", async () => {
    await simulator.client.message(peer, phone, {
      text: "unread",
      form: "group-without-key",
      attrs: { participant: hidden(peer), participant_pn: byNumber(peer), sender_lid: null },
    });
    await until("its trace", async () => (await counted("AskedAgain")) > 0);
    expect(await messagesOf("d", url, ["read"])).toMatchObject([
      { chat: group, chatAlias: null, sender: byNumber(peer), senderAlias: hidden(peer) },
    ]);
  });

  it("the outbox is listed with what became of each message, and why", async () => {
    await simulator.client.setScenarioOf(phone, {
      rules: [{ stage: "message", times: 1, action: { kind: "ack-error", code: "463" } }],
    });
    const refused = await bench.send("d", peer, "refused");
    await until("its note", async () => (await bench.outbox("d"))[0]?.state === "Failed");
    const sent = await bench.send("d", peer, "taken");
    await until("its note", async () => (await bench.outbox("d"))[1]?.state === "Sent");
    await bench.release("d");
    const waiting = await bench.send("d", peer, "waiting");
    const failed = { messageId: refused, to: byNumber(peer), state: "Failed", attempts: 0, text: "refused" };
    const why = "code 463: WhatsApp lets this account start no new chat now";
    const all = await messagesOf("d", url, ["outbox"]);
    expect(all).toMatchObject([
      { ...failed, why },
      { messageId: sent, state: "Sent" },
      { messageId: waiting, state: "Waiting" },
    ]);
    expect(await messagesOf("d", url, ["outbox", "--state", "failed"])).toEqual([all[0]]);
    expect(await messagesOf("d", url, ["outbox", "--state", "waiting"])).toEqual([all[2]]);
  });
});
