import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { z } from "zod";
import { startSimulator, type Simulator } from "../src/index.ts";
import { until } from "./baileys-client.ts";
import { buildClient, buildWithinMs, newFolder, WhatsmeowClient } from "./whatsmeow-client.ts";

/**
 * A second client with its own implementation of Noise, certificates, codec and Signal: where the simulator borrows the
 * first client's codec, a mistake that both ends share would show here.
 */
let simulator: Simulator;
beforeAll(async () => {
  await buildClient();
  simulator = await startSimulator();
}, buildWithinMs);
beforeEach(async () => await simulator.client.clearScenario());
afterAll(async () => await simulator[Symbol.asyncDispose]());

const peer = "33611112222";
const device = async (phone: string) => (await simulator.client.stats(phone)).devices[`${phone}:1`];

async function pair(client: WhatsmeowClient, phone: string): Promise<void> {
  const { codes } = z.looseObject({ codes: z.array(z.string()) }).parse(await client.heard("qr"));
  await simulator.client.scan(phone, codes[0] ?? "");
  await client.heard("connected");
}

it("pairs by QR, comes back after the 515 by itself, texts both ways, comes back later, and logs out", async () => {
  const phone = "33600000201";
  await using folder = await newFolder();
  await using client = new WhatsmeowClient(simulator, folder.path);
  await pair(client, phone);
  expect(await client.heard("paired")).toMatchObject({ jid: `${phone}:1@s.whatsapp.net` });
  await until("its prekeys", async () => ((await device(phone))?.preKeysNow ?? 0) > 0);

  for (const turn of [1, 2, 3]) {
    client.do(`text ${peer} to the peer ${turn}`);
    const { id } = await client.heard("sent", (said) => said["text"] === `to the peer ${turn}`);
    await until("the peer reads it", async () =>
      (await simulator.client.messages(peer)).some((each) => each.text === `to the peer ${turn}` && each.id === id),
    );
    const answer = await simulator.client.text(peer, phone, `from the peer ${turn}`);
    expect(await client.heard("text", (said) => said["id"] === answer)).toMatchObject({
      from: peer,
      text: `from the peer ${turn}`,
    });
  }
  await until("all is acknowledged", async () => (await device(phone))?.messagesPending === 0);
  expect(await device(phone)).toMatchObject({ messagesDelivered: 3, messagesRedelivered: 0, retryReceipts: 0 });

  client.do("disconnect");
  await until("it is gone", async () => (await device(phone))?.socketsNow === 0);
  const kept = await simulator.client.text(peer, phone, "while you were away");
  client.do("connect");
  expect(await client.heard("text", (said) => said["id"] === kept)).toMatchObject({ text: "while you were away" });

  client.do("logout");
  await until("its removal", async () => (await simulator.client.stats(phone)).removed.includes(`${phone}:1`));
});

it("pairs by a typed code", async () => {
  const phone = "33600000202";
  await using folder = await newFolder();
  await using client = new WhatsmeowClient(simulator, folder.path);
  await client.heard("qr");
  client.do(`pair ${phone}`);
  const { code } = z.looseObject({ code: z.string() }).parse(await client.heard("code"));
  await simulator.client.enterCode(phone, code);
  await client.heard("connected");
  expect(await client.heard("paired")).toMatchObject({ jid: `${phone}:1@s.whatsapp.net` });
});

it.for([
  ["33600000211", { accountType: "HOSTED" }],
  ["33600000212", { deviceType: "HOSTED" }],
] as const)("pairs with the account %s, which Meta hosts too: %o", async ([phone, standing]) => {
  await simulator.client.setAccount(phone, standing);
  await using folder = await newFolder();
  await using client = new WhatsmeowClient(simulator, folder.path);
  await pair(client, phone);
});

it("keeps its credentials in its file, and is told on its next start that it was unlinked meanwhile", async () => {
  const phone = "33600000203";
  await using folder = await newFolder();
  {
    await using client = new WhatsmeowClient(simulator, folder.path);
    await pair(client, phone);
  }
  {
    await using client = new WhatsmeowClient(simulator, folder.path);
    await client.heard("connected");
  }
  await simulator.client.unlink(phone, 1);
  await using client = new WhatsmeowClient(simulator, folder.path);
  expect(await client.heard("logged-out")).toMatchObject({ onConnect: true, reason: 401 });
});

it("is unlinked while connected", async () => {
  const phone = "33600000204";
  await using folder = await newFolder();
  await using client = new WhatsmeowClient(simulator, folder.path);
  await pair(client, phone);
  await simulator.client.unlink(phone, 1);
  expect(await client.heard("logged-out")).toMatchObject({ onConnect: false });
});

it.for([
  [{ reason: "402", code: "101", expire: "3600" }, "temporary-ban", { code: 101, expireSeconds: 3600 }],
  [{ reason: "403" }, "logged-out", { onConnect: true, reason: 403 }],
  [{ reason: "405" }, "client-outdated", {}],
  [{ reason: "409" }, "connect-failure", { reason: 409 }],
] as const)("reports the failure %o as %s", async ([attrs, event, fields]) => {
  await simulator.client.setScenario({ rules: [{ stage: "finish", action: { kind: "failure", attrs } }] });
  await using folder = await newFolder();
  await using client = new WhatsmeowClient(simulator, folder.path);
  expect(await client.heard(event)).toMatchObject(fields);
});

it("refuses a server whose certificates another root signed", async () => {
  await using folder = await newFolder();
  const stranger = await startSimulator();
  await stranger[Symbol.asyncDispose]();
  const target = { controlUrl: simulator.controlUrl, rootKeyHex: stranger.rootKeyHex };
  await using client = new WhatsmeowClient(target, folder.path);
  const { error } = z.looseObject({ error: z.string() }).parse(await client.heard("fatal"));
  expect(error).toContain("failed to verify intermediate cert signature");
});

it.for([
  [{ fault: "expired" }, "leaf cert cert certificate expired"],
  [{ fault: "expired", certificate: "intermediate" }, "intermediate cert certificate expired"],
  [{ fault: "not-yet-valid" }, "leaf cert cert certificate not valid yet"],
  [{ fault: "not-yet-valid", certificate: "intermediate" }, "intermediate cert certificate not valid yet"],
  [{ fault: "undated" }, "certificate expired"],
  [{ fault: "unknown-root" }, "failed to verify intermediate cert signature"],
  [{ fault: "other-key" }, "cert key doesn't match decrypted static"],
] as const)("refuses a server whose certificates are wrong: %o", async ([fault, why]) => {
  await simulator.client.setScenario({ rules: [{ stage: "hello", action: { kind: "certificate", ...fault } }] });
  await using folder = await newFolder();
  await using client = new WhatsmeowClient(simulator, folder.path);
  const { error } = z.looseObject({ error: z.string() }).parse(await client.heard("fatal"));
  expect(error).toContain(why);
});
