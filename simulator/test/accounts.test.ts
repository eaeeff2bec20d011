import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startSimulator, type Simulator } from "../src/index.ts";
import { BaileysClient, linkedDevice, newMemory, trustRoot, until } from "./baileys-client.ts";

let simulator: Simulator;
beforeAll(async () => {
  simulator = await startSimulator();
  trustRoot(simulator.rootKeyHex);
});
afterAll(async () => await simulator[Symbol.asyncDispose]());

const jidOf = (phone: string): string => `${phone}@s.whatsapp.net`;

describe("a number", () => {
  it("that nobody has is told as such, and what is written to it is read by nobody", async () => {
    const nobody = "33600000409";
    await simulator.client.setAccount(nobody, { isRegistered: false });
    await using client = await linkedDevice(simulator, "33600000401");
    // The library leaves out who has no account.
    expect(await client.socket.onWhatsApp(nobody, "33600000408")).toEqual([
      { jid: jidOf("33600000408"), exists: true },
    ]);
    await client.socket.sendMessage(jidOf(nobody), { text: "to nobody" });
    await client.socket.sendMessage(jidOf("33600000408"), { text: "to somebody" });
    await until("the other", async () => (await simulator.client.messages("33600000408")).length === 1);
    expect(await simulator.client.messages(nobody)).toEqual([]);
  });

  it("that the server knows as another is answered with that one", async () => {
    const asked = "5511987654321";
    const known = "551187654321";
    await simulator.client.setAccount(asked, { knownAs: known });
    await using client = await linkedDevice(simulator, "33600000402");
    expect(await client.socket.onWhatsApp(asked)).toEqual([{ jid: jidOf(known), exists: true }]);
  });

  it("is refused as no standing with field, value and what is allowed", async () => {
    await expect(simulator.client.setAccount("33600000403", { knownAs: "+49" })).rejects.toThrow(
      'knownAs: "+49": expected 5 to 15 digits',
    );
  });
});

describe("a hosted account", () => {
  it.for([
    ["33600000411", { accountType: "HOSTED" }],
    ["33600000412", { deviceType: "HOSTED" }],
    ["33600000413", { accountType: "HOSTED", deviceType: "HOSTED" }],
  ] as const)("%s links a device, which reads: %o", async ([phone, standing]) => {
    await simulator.client.setAccount(phone, standing);
    await using client = await linkedDevice(simulator, phone);
    await simulator.client.text("33600000408", phone, "hello");
    await until("the text", () => client.texts.some(({ text }) => text === "hello"));
  });
});

describe("a code that the server wants to be another", () => {
  it("is worth nothing, and the next one links", async () => {
    const phone = "33600000421";
    await using client = new BaileysClient(simulator.url, newMemory());
    await client.qr();
    const heard = new Promise((resolve) => client.socket.ws.on("CB:notification", resolve));
    const code = await client.socket.requestPairingCode(phone);
    await simulator.client.refreshCode(phone);
    expect(await heard).toMatchObject({
      content: [{ attrs: { stage: "refresh_code", force_manual_refresh: "false" } }],
    });
    await expect(simulator.client.enterCode(phone, code)).rejects.toThrow("no connection asked");
    await simulator.client.enterCode(phone, await client.socket.requestPairingCode(phone));
    expect(await client.ended()).toMatchObject({ code: 515 });
  });
});
