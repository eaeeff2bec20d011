import { once } from "node:events";
import { request } from "node:http";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startSimulator, type Simulator } from "../src/index.ts";
import { BaileysClient, linkedDevice, newMemory, trustRoot, until } from "./baileys-client.ts";

let simulator: Simulator;
beforeAll(async () => {
  simulator = await startSimulator();
  trustRoot(simulator.rootKeyHex);
});
afterAll(async () => await simulator[Symbol.asyncDispose]());

const peer = "33611113333";
const device = async (phone: string) => (await simulator.client.stats(phone)).devices[`${phone}:1`];
const answersOf = async (phone: string): Promise<readonly string[]> =>
  (await simulator.client.stats(phone)).connections.flatMap(({ answers }) => answers);

describe("a stanza that a test made up", () => {
  it("reaches the connected client as it is, and the client's answer is told", async () => {
    const phone = "33600000301";
    await using client = await linkedDevice(simulator, phone);
    const heard: unknown[] = [];
    client.socket.ws.on("CB:notification,type:mystery", (stanza: unknown) => heard.push(stanza));
    const connections = await simulator.client.inject(
      { phone },
      {
        tag: "notification",
        attrs: { from: "@s.whatsapp.net", type: "mystery", id: "77123", t: "1790000000" },
        content: [{ tag: "outer", content: [{ tag: "inner", attrs: { of: "3" }, content: { text: "hello" } }] }],
      },
    );
    await until("the stanza", () => heard.length === 1);
    expect(heard[0]).toMatchObject({ content: [{ tag: "outer", content: [{ tag: "inner", attrs: { of: "3" } }] }] });
    await until("the answer", async () => (await answersOf(phone)).includes("ack notification 77123"));
    expect((await simulator.client.stats(phone)).connections.at(-1)?.id).toBe(connections[0]);
  });

  it("reaches a client that no phone has linked yet by its connection's number", async () => {
    await using client = new BaileysClient(simulator.url, newMemory());
    await client.qr();
    const open = (await simulator.client.stats()).connections.findLast(({ closedAt }) => closedAt === undefined);
    const heard = new Promise((resolve) => client.socket.ws.on("CB:notification,type:mystery", resolve));
    const notification = { tag: "notification", attrs: { from: "@s.whatsapp.net", type: "mystery", id: "77124" } };
    await simulator.client.inject({ connection: open?.id ?? 0 }, notification);
    await heard;
  });

  it.each([
    [{ phone: "33600000399" }, { tag: "iq" }, "phone=33600000399: no such client is connected"],
    [{ connection: 0 }, { tag: "iq" }, 'connection: "0" is no connection\'s id; the stats name them'],
    [{ phone: "33600000399" }, { tag: "" }, '[0].tag: "": Too small: expected string to have >=1 characters'],
  ])("is refused for %o of %o with the reason", async (target, stanza, reason) => {
    await expect(simulator.client.inject(target, stanza)).rejects.toThrow(reason);
  });

  it("stands in place of the pairing's success, or comes beside it, when a rule says so", async () => {
    const phone = "33600000302";
    const passkey = {
      tag: "notification",
      attrs: { from: "@s.whatsapp.net", type: "passkey_prologue_request", id: "9" },
    };
    await simulator.client.setScenarioOf(phone, {
      rules: [{ stage: "scanned", times: 1, action: { kind: "send", stanzas: [passkey] } }],
    });
    await using client = new BaileysClient(simulator.url, newMemory());
    const heard = new Promise((resolve) => client.socket.ws.on("CB:notification", resolve));
    await simulator.client.scan(phone, await client.qr());
    await heard;
    expect(client.memory.creds.me).toBeUndefined();
    await simulator.client.setScenarioOf(phone, {
      rules: [{ stage: "scanned", action: { kind: "send", stanzas: [passkey], andUsual: true } }],
    });
    await using other = new BaileysClient(simulator.url, newMemory());
    await simulator.client.scan(phone, await other.qr());
    expect(await other.ended()).toMatchObject({ code: 515 });
  });

  it("stands in place of what a phone answers to a typed code", async () => {
    const phone = "33600000303";
    const half = {
      tag: "notification",
      attrs: { from: "@s.whatsapp.net", type: "link_code_companion_reg", id: "10" },
      content: [{ tag: "link_code_companion_reg", attrs: { stage: "primary_hello" } }],
    };
    await using client = new BaileysClient(simulator.url, newMemory());
    await client.qr();
    const code = await client.socket.requestPairingCode(phone);
    await simulator.client.setScenarioOf(phone, {
      rules: [{ stage: "typed", action: { kind: "send", stanzas: [half] } }],
    });
    await simulator.client.enterCode(phone, code);
    expect((await simulator.client.stats()).ruleUses[`${phone}.rules[0]`]).toBe(1);
    expect(client.end).toBeUndefined();
  });
});

describe("a peer's message", () => {
  it("comes under the address, time and id that a letter names, and can be read", async () => {
    const phone = "33600000311";
    await using client = await linkedDevice(simulator, phone);
    const keys: unknown[] = [];
    client.socket.ev.on("messages.upsert", ({ messages }) => keys.push(...messages.map(({ key }) => key)));
    const from = "9000033611113333@lid";
    const attrs = { from, sender_lid: null, sender_pn: `${peer}@s.whatsapp.net`, id: "E1", t: "1700000001" };
    expect(await simulator.client.message(peer, phone, { text: "hidden", attrs })).toBe("E1");
    await until("the text", () => client.texts.some(({ id, text }) => id === "E1" && text === "hidden"));
    expect(keys).toMatchObject([{ remoteJid: from, id: "E1" }]);
    await until("its end", async () => (await device(phone))?.messagesPending === 0);
  });

  it("of one id from two senders is two messages", async () => {
    const phone = "33600000312";
    await using client = await linkedDevice(simulator, phone);
    const attrs = { id: "SAME" };
    await simulator.client.message(peer, phone, { text: "of one", attrs });
    await simulator.client.message("33611113334", phone, { text: "of another", attrs });
    await until("both", () => client.texts.length === 2);
    await until("their ends", async () => (await device(phone))?.messagesPending === 0);
    expect(await device(phone)).toMatchObject({
      messagesDelivered: 2,
      messagesAcknowledged: 2,
      messagesRedelivered: 0,
    });
  });

  it("that cannot be read is asked for until it can", async () => {
    const phone = "33600000313";
    await using client = await linkedDevice(simulator, phone);
    await simulator.client.message(peer, phone, { text: "at the third time", form: "undecryptable", times: 2 });
    await until("the text", () => client.texts.some(({ text }) => text === "at the third time"));
    expect((await device(phone))?.retryReceipts).toBeGreaterThanOrEqual(2);
  });

  it("of a group without its key is read when its sender sends it to the device alone", async () => {
    const phone = "33600000314";
    await using client = await linkedDevice(simulator, phone);
    await simulator.client.message(peer, phone, { text: "of a group", form: "group-without-key", times: 1 });
    await until("the text", () => client.texts.some(({ text }) => text === "of a group"));
    expect(client.texts.at(-1)?.from).toMatch(/@g\.us$/);
  });

  it.for(["unavailable", "view-once", "bot", "newsletter", "unknown"] as const)(
    "of the form %s is no text that its ratchet carried, and is acknowledged",
    async (form) => {
      const phone = `3360000032${["unavailable", "view-once", "bot", "newsletter", "unknown"].indexOf(form)}`;
      await using client = await linkedDevice(simulator, phone);
      await simulator.client.message(peer, phone, { text: form, form });
      await simulator.client.text(peer, phone, "the next");
      await until("the next", () => client.texts.some(({ text }) => text === "the next"));
      await until("an end of both", async () => {
        const { messagesAcknowledged = 0, messagesRefused = 0, retryReceipts = 0 } = (await device(phone)) ?? {};
        return messagesAcknowledged + messagesRefused + retryReceipts >= 2;
      });
    },
  );

  it("may be bytes that are no message, or any message of WAProto", async () => {
    const phone = "33600000331";
    await using client = await linkedDevice(simulator, phone);
    await simulator.client.message(peer, phone, { base64: Buffer.from([7, 255, 255]).toString("base64") });
    await simulator.client.message(peer, phone, { message: { extendedTextMessage: { text: "longer" } } });
    await until("the second", () => client.texts.some(({ text }) => text === "longer"));
  });

  it.each([
    [{ text: "a", base64: "" }, "expected one of text, message and base64"],
    [{}, "body: {}: expected one of text, message and base64"],
    [{ message: { conversation: { no: 1 }, messageContextInfo: 5 } }, "no message of WAProto"],
  ])("is refused as %o with the reason", async (letter, reason) => {
    await using _client = await linkedDevice(simulator, "33600000341");
    await expect(simulator.client.message(peer, "33600000341", letter)).rejects.toThrow(reason);
  });
});

describe("the server", () => {
  it("ends a stream whose client leaves its pings unanswered, and counts", async () => {
    const phone = "33600000351";
    await simulator.client.setScenarioOf(phone, {
      rules: [{ stage: "open", action: { kind: "ping", everyMs: 100, withinMs: 500 } }],
    });
    await using client = await linkedDevice(simulator, phone);
    expect(await client.ended()).toMatchObject({ code: 500, message: "Stream Errored (ping)" });
    expect((await device(phone))?.pingsSent).toBeGreaterThan(0);
    expect((await device(phone))?.pingsAnswered).toBe(0);
  });

  it("keeps the stream of a client that answers its pings", async () => {
    const phone = "33600000352";
    await using client = await linkedDevice(simulator, phone);
    client.socket.ws.on("CB:iq,type:get", ({ attrs }: { attrs: { id: string } }) => {
      void client.socket.sendNode({ tag: "iq", attrs: { to: "@s.whatsapp.net", type: "result", id: attrs.id } });
    });
    await simulator.client.setScenarioOf(phone, {
      rules: [{ stage: "open", times: 1, action: { kind: "ping", everyMs: 100, withinMs: 300, child: true } }],
    });
    await until("five answers", async () => ((await device(phone))?.pingsAnswered ?? 0) >= 5);
    expect(client.end).toBeUndefined();
  });

  it("refuses messages to one account alone, and answers any query as a rule says", async () => {
    const phone = "33600000353";
    await using client = await linkedDevice(simulator, phone);
    await simulator.client.setScenarioOf(phone, {
      rules: [
        { stage: "message", to: peer, delayMs: 500, action: { kind: "ack-error", code: "463" } },
        {
          stage: "iq",
          xmlns: "w:test",
          childAttrs: { stage: "two" },
          action: { kind: "iq-result", content: [{ tag: "answer", attrs: { n: "42" } }] },
        },
      ],
    });
    await client.socket.sendMessage(`${peer}@s.whatsapp.net`, { text: "refused" });
    await client.socket.sendMessage("33611113335@s.whatsapp.net", { text: "taken" });
    await until("the one that is taken", async () => (await simulator.client.messages("33611113335")).length === 1);
    await until("the other's refusal", () => client.updates.some(({ status }) => status === 0));
    const ask = async (stage: string) =>
      await client.socket.query({
        tag: "iq",
        attrs: { to: "@s.whatsapp.net", type: "get", xmlns: "w:test" },
        content: [{ tag: "question", attrs: { stage } }],
      });
    expect((await ask("two")).content).toMatchObject([{ tag: "answer", attrs: { n: "42" } }]);
    expect((await ask("one")).content).toBeUndefined();
  });

  it("refuses to let one account ask for a code, while it lets another", async () => {
    const phone = "33600000354";
    await simulator.client.setScenarioOf(phone, {
      rules: [
        {
          stage: "iq",
          child: "link_code_companion_reg",
          childAttrs: { stage: "companion_hello" },
          action: { kind: "iq-error", code: "429", text: "rate-overlimit" },
        },
      ],
    });
    await using client = new BaileysClient(simulator.url, newMemory());
    await client.qr();
    const code = await client.socket.requestPairingCode(phone);
    await expect(simulator.client.enterCode(phone, code)).rejects.toThrow("no connection asked");
    const other = await client.socket.requestPairingCode("33600000355");
    await simulator.client.enterCode("33600000355", other);
  });

  it("answers an upgrade with any status, header and page", async () => {
    await using own = await startSimulator();
    const action = {
      kind: "http",
      status: 302,
      headers: { location: "http://portal.example/" },
      body: "log in",
    } as const;
    await own.client.setScenario({ rules: [{ stage: "upgrade", action }] });
    const headers = { connection: "upgrade", upgrade: "websocket" };
    const [answer] = await once(request(own.url.replace("ws:", "http:"), { headers }).end(), "response");
    expect(answer).toMatchObject({ statusCode: 302, headers: { location: "http://portal.example/" } });
    expect(await text(answer)).toBe("log in");
  });
});
