import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startSimulator, type Simulator } from "../src/index.ts";
import { bytesOf, childOf, childrenOf } from "../src/wire/nodes.ts";
import { BaileysClient, linkedDevice, newMemory, trustRoot, until } from "./baileys-client.ts";

let simulator: Simulator;
beforeAll(async () => {
  simulator = await startSimulator({ tlsPort: 0 });
  trustRoot(simulator.rootKeyHex);
});
afterAll(async () => await simulator[Symbol.asyncDispose]());

const device = async (phone: string) => (await simulator.client.stats(phone)).devices[`${phone}:1`];

describe("pairing", () => {
  it("by QR: 515, login, open, and all prekeys on the server", async () => {
    const phone = "33600000001";
    await using _client = await linkedDevice(simulator, phone);
    await until("the upload of prekeys", async () => (await device(phone))?.preKeysNow === 812);
    expect(await device(phone)).toMatchObject({ logins: 1, socketsNow: 1, socketsEver: 1, framesFromOldSocket: 0 });
    const { starts, connections } = await simulator.client.stats(phone);
    expect(starts["127.0.0.1"]?.map((start) => start.kind)).toEqual(["registration", "login"]);
    expect(connections).toMatchObject([
      { source: "127.0.0.1", kind: "registration", outcome: "paired", isTls: false },
      { source: "127.0.0.1", kind: "login", outcome: "success", isTls: false },
    ]);
  });

  it("refuses a QR code that is used, and one that nobody shows", async () => {
    await using client = new BaileysClient(simulator.url, newMemory());
    const qr = await client.qr();
    await simulator.client.scan("33600000002", qr);
    await expect(simulator.client.scan("33600000002", qr)).rejects.toThrow("no connection waits with this QR code");
    await expect(simulator.client.scan("33600000002", "2@x,eA==,eA==,eA==")).rejects.toThrow("no connection waits");
    await expect(simulator.client.scan("33600000002", "not a code")).rejects.toThrow("not a QR text");
  });

  it("refuses a QR code with the keys of another device", async () => {
    await using client = new BaileysClient(simulator.url, newMemory());
    const [ref, noise, , adv, platform] = (await client.qr()).split(",");
    const forged = [ref, noise, Buffer.alloc(32, 7).toString("base64"), adv, platform].join(",");
    await expect(simulator.client.scan("33600000003", forged)).rejects.toThrow("keys are not those of the connection");
  });

  it("by code, while another device waits for another number, and not by a wrong code", async () => {
    const phone = "33600000004";
    const memory = newMemory();
    await using client = new BaileysClient(simulator.url, memory);
    await using other = new BaileysClient(simulator.url, newMemory());
    await Promise.all([client.qr(), other.qr()]);
    await expect(simulator.client.enterCode(phone, "ABCD-EFGH")).rejects.toThrow("no connection asked");
    const code = await client.socket.requestPairingCode(phone);
    await other.socket.requestPairingCode("33600000005");
    await expect(simulator.client.enterCode(phone, code === "11111111" ? "22222222" : "11111111")).rejects.toThrow(
      "shows this code",
    );
    await simulator.client.enterCode(phone, `${code.slice(0, 4)}-${code.slice(4)}`);
    expect(await client.ended()).toMatchObject({ code: 515 });
    await using again = new BaileysClient(simulator.url, memory);
    await again.opened();
    expect(other.end).toBeUndefined();
  });

  it("by code, of two devices that wait for the same number, links the one that shows it", async () => {
    const phone = "33600000006";
    await using first = new BaileysClient(simulator.url, newMemory());
    await using second = new BaileysClient(simulator.url, newMemory());
    await Promise.all([first.qr(), second.qr()]);
    const code = await first.socket.requestPairingCode(phone);
    await second.socket.requestPairingCode(phone);
    await simulator.client.enterCode(phone, code);
    expect(await first.ended()).toMatchObject({ code: 515 });
    expect(second.end).toBeUndefined();
  });
});

describe("prekeys", () => {
  it("are handed out once each, and the device is asked for more when few are left", async () => {
    const phone = "33600000007";
    await using client = await linkedDevice(simulator, phone);
    await until("the upload of prekeys", async () => (await device(phone))?.preKeysNow === 812);
    await using other = await linkedDevice(simulator, "33600000008");
    const users = Array.from({ length: 810 }, () => ({ tag: "user", attrs: { jid: `${phone}:1@s.whatsapp.net` } }));
    const answer = await other.socket.query({
      tag: "iq",
      attrs: { to: "@s.whatsapp.net", type: "get", xmlns: "encrypt" },
      content: [{ tag: "key", attrs: {}, content: users }],
    });
    const keys = childrenOf(childOf(answer, "list"), "user").map((user) =>
      bytesOf(childOf(childOf(user, "key"), "value")),
    );
    expect(new Set(keys.map((key) => key.toString("hex"))).size).toBe(users.length);
    await until("more prekeys", async () => ((await device(phone))?.preKeysNow ?? 0) > 2);
    expect(client.isOpen).toBe(true);
  });
});

describe("text", () => {
  const peer = "33611111111";
  const readByPeer = async (text: string) =>
    (await simulator.client.messages(peer)).filter((message) => message.text === text);

  it("goes both ways over several turns of the ratchet, without a retry", async () => {
    const phone = "33600000011";
    await using client = await linkedDevice(simulator, phone);
    for (const turn of [1, 2, 3, 4]) {
      const sent = await client.socket.sendMessage(`${peer}@s.whatsapp.net`, { text: `to the peer ${turn}` });
      await until("the peer reads it", async () => (await readByPeer(`to the peer ${turn}`)).length === 1);
      expect(await readByPeer(`to the peer ${turn}`)).toMatchObject([{ id: sent?.key.id, from: phone, fromDevice: 1 }]);
      const id = await simulator.client.text(peer, phone, `from the peer ${turn}`);
      await until("the device reads it", () => client.texts.some((text) => text.id === id));
    }
    expect(client.texts.map((text) => text.text)).toEqual([1, 2, 3, 4].map((turn) => `from the peer ${turn}`));
    await until("all is acknowledged", async () => (await device(phone))?.messagesPending === 0);
    expect(await device(phone)).toMatchObject({ messagesDelivered: 4, messagesAcknowledged: 4, retryReceipts: 0 });
  });

  it("reaches every linked device of an account, and the device's own other companions", async () => {
    const phone = "33600000012";
    await using first = await linkedDevice(simulator, phone);
    await using second = await linkedDevice(simulator, phone);
    await simulator.client.text(peer, phone, "to both");
    await until("both read it", () =>
      [first, second].every((each) => each.texts.some(({ text }) => text === "to both")),
    );
    await first.socket.sendMessage(`${peer}@s.whatsapp.net`, { text: "from the first" });
    await until("the second got its copy", async () => {
      const { devices } = await simulator.client.stats(phone);
      return devices[`${phone}:2`]?.messagesAcknowledged === 2;
    });
  });

  it("waits for a device that is away, and comes again until it is acknowledged", async () => {
    const phone = "33600000013";
    const client = await linkedDevice(simulator, phone);
    await client[Symbol.asyncDispose]();
    await until("the socket is gone", async () => (await device(phone))?.socketsNow === 0);
    const id = await simulator.client.text(peer, phone, "while you were away");
    await simulator.client.setScenarioOf(phone, { rules: [{ stage: "receipt", times: 1, action: { kind: "reset" } }] });
    const broken = new BaileysClient(simulator.url, client.memory);
    await broken.ended();
    expect(await device(phone)).toMatchObject({ messagesPending: 1, messagesAcknowledged: 0 });
    await using again = new BaileysClient(simulator.url, client.memory);
    await until("it is done with", async () => (await device(phone))?.messagesPending === 0);
    expect((await device(phone))?.messagesRedelivered).toBeGreaterThan(0);
    expect([...broken.texts, ...again.texts].map((text) => text.id)).toContain(id);
  });

  it("is sent again under its id, in a new session, when the device cannot read it", async () => {
    const phone = "33600000014";
    await using client = await linkedDevice(simulator, phone);
    await simulator.client.text(peer, phone, "first");
    await until("the first", () => client.texts.length === 1);
    for (const name of client.memory.keys.keys()) if (name.startsWith("session")) client.memory.keys.delete(name);
    const id = await simulator.client.text(peer, phone, "second");
    await until("the second", () => client.texts.some((text) => text.id === id && text.text === "second"));
    await until("it is acknowledged", async () => (await device(phone))?.messagesPending === 0);
    expect((await device(phone))?.retryReceipts).toBeGreaterThan(0);
  });

  it("is asked for again by a peer that lost its sessions, and read once", async () => {
    const phone = "33600000015";
    await using client = await linkedDevice(simulator, phone);
    const jid = `${peer}@s.whatsapp.net`;
    await client.socket.sendMessage(jid, { text: "before" });
    await until("before", async () => (await readByPeer("before")).length === 1);
    const back = await simulator.client.text(peer, phone, "so that the session is confirmed");
    await until("the answer", () => client.texts.some((text) => text.id === back));
    await simulator.client.forget(peer);
    await client.socket.sendMessage(jid, { text: "after" });
    await until("after", async () => (await readByPeer("after")).length === 1);
    expect((await simulator.client.stats(peer)).retriesAsked[peer]).toBeGreaterThan(0);
  });

  it("refused by the server is reported as such", async () => {
    const phone = "33600000016";
    await using client = await linkedDevice(simulator, phone);
    // At once, the client would merge the refusal into the upsert of its own message, which it still holds back.
    await simulator.client.setScenarioOf(phone, {
      rules: [{ stage: "message", delayMs: 500, action: { kind: "ack-error", code: "463" } }],
    });
    await client.socket.sendMessage(`${peer}@s.whatsapp.net`, { text: "refused" });
    await until("the error", () => client.updates.some(({ status }) => status === 0));
    expect(client.updates.find(({ status }) => status === 0)?.stub).toContain("463");
    expect(await readByPeer("refused")).toEqual([]);
  });
});

describe("the end of a device", () => {
  it("logs out, and is unknown afterwards", async () => {
    const phone = "33600000021";
    await using client = await linkedDevice(simulator, phone);
    await client.socket.logout();
    expect(await client.ended()).toMatchObject({ code: 401, message: "Intentional Logout" });
    await until("its removal", async () => (await simulator.client.stats(phone)).removed.includes(`${phone}:1`));
    expect(await device(phone)).toMatchObject({ isLinked: false, logouts: 1, preKeysNow: 0 });
    const again = new BaileysClient(simulator.url, client.memory);
    expect(await again.ended()).toMatchObject({ code: 401, message: "Connection Failure", data: { reason: "401" } });
  });

  it("is told at once that its phone unlinked it", async () => {
    const phone = "33600000022";
    await using client = await linkedDevice(simulator, phone);
    await simulator.client.unlink(phone, 1);
    expect(await client.ended()).toMatchObject({
      code: 401,
      message: "Stream Errored (conflict)",
      data: { tag: "conflict", attrs: { type: "device_removed" } },
    });
    await expect(simulator.client.unlink(phone, 1)).rejects.toThrow(`device: ${phone} has no linked device 1`);
  });

  it("is replaced by a newer connection, and what the old one still sends is counted", async () => {
    const phone = "33600000023";
    await using client = await linkedDevice(simulator, phone);
    await using second = new BaileysClient(simulator.url, client.memory);
    // Presence is sent all the time, as by a process that was paused and does not know yet that it lost its device.
    const timer = setInterval(
      () => void client.socket.sendNode({ tag: "presence", attrs: { type: "available" } }).catch(() => undefined),
      1,
    );
    expect(await client.ended()).toMatchObject({ code: 440, message: "Stream Errored (conflict)" });
    clearInterval(timer);
    await second.opened();
    expect(await device(phone)).toMatchObject({ socketsNow: 1, socketsEver: 2, logins: 2 });
    expect((await device(phone))?.framesFromOldSocket).toBeGreaterThan(0);
    expect((await device(phone))?.stanzasFromOldSocket).toContain("presence");
  });
});
