import { inflateSync } from "node:zlib";
import { downloadContentFromMessage, proto } from "@whiskeysockets/baileys";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startSimulator, type Simulator } from "../src/index.ts";
import { linkedDevice, until } from "./baileys-client.ts";

let simulator: Simulator;
beforeAll(async () => {
  simulator = await startSimulator();
});
afterAll(async () => await simulator[Symbol.asyncDispose]());

type Notice = proto.Message.IHistorySyncNotification;
const noticeIn = (message: proto.IMessage | null | undefined): Notice | undefined =>
  message?.protocolMessage?.historySyncNotification ?? undefined;

it("history in the message itself is read by the unmodified client, hidden numbers and all, and acknowledged", async () => {
  const phone = "33600000201";
  await using client = await linkedDevice(simulator, phone, { shouldSyncHistoryMessage: () => true });
  const chats: string[] = [];
  client.socket.ev.on("messaging-history.set", (set) => chats.push(...set.chats.map(({ id }) => id ?? "")));
  await simulator.client.history(phone, { chats: 3, by: "inline" });
  await until("the chats", () => chats.length === 3);
  const pn = "4900000002@s.whatsapp.net";
  expect(chats).toContain(pn);
  expect(await client.socket.signalRepository.lidMapping.getLIDForPN(pn)).toBe("9000004900000002@lid");
  const device = (await simulator.client.stats(phone)).devices[`${phone}:1`];
  expect(device?.messagesPending).toBe(0);
  expect(device?.receipts.map((receipt) => receipt.split(" ")[0])).toEqual(["peer_msg", "hist_sync"]);
});

it("a blob is downloaded and decrypted as the unmodified client does it; its claimed length may lie", async () => {
  const phone = "33600000202";
  await using client = await linkedDevice(simulator, phone);
  const notices: Notice[] = [];
  client.socket.ev.on("messages.upsert", ({ messages }) => {
    for (const { message } of messages) {
      const notice = noticeIn(message);
      if (notice !== undefined) notices.push(notice);
    }
  });
  await simulator.client.history(phone, { blobs: 2, chats: 2, zeroMebibytes: 20, fileLength: 1_000 });
  await until("two notices", () => notices.length === 2);
  expect(notices.map(({ fileLength }) => Number(fileLength))).toEqual([1_000, 1_000]);
  for (const { mediaKey = null, directPath } of notices) {
    const url = `${simulator.controlUrl}${directPath ?? ""}`;
    const chunks: Buffer[] = [];
    for await (const chunk of await downloadContentFromMessage({ mediaKey, url }, "md-msg-hist")) chunks.push(chunk);
    const raw = inflateSync(Buffer.concat(chunks));
    expect(raw.length).toBeGreaterThan(20 * 1024 * 1024);
    expect(proto.HistorySync.decode(raw).conversations.map(({ id }) => id)).toEqual([
      "4900000000@s.whatsapp.net",
      "4900000001@s.whatsapp.net",
    ]);
  }
  expect((await simulator.client.stats()).media).toEqual({ asked: 2, served: 2, mostAtOnce: 1 });
});

it("a download ends as a rule of the stage media says", async () => {
  const phone = "33600000203";
  await using client = await linkedDevice(simulator, phone);
  const paths: string[] = [];
  client.socket.ev.on("messages.upsert", ({ messages }) => {
    for (const { message } of messages) paths.push(noticeIn(message)?.directPath ?? "");
  });
  await simulator.client.setScenarioOf(phone, {
    rules: [
      { stage: "media", times: 1, action: { kind: "http", status: 404 } },
      { stage: "media", times: 1, action: { kind: "garbage", bytes: 7 } },
      { stage: "media", times: 1, action: { kind: "reset" } },
    ],
  });
  await simulator.client.history(phone, { chats: 2 });
  await until("a notice", () => paths.length === 1);
  const get = async () => await fetch(`${simulator.controlUrl}${paths[0] ?? ""}`);
  expect((await get()).status).toBe(404);
  expect((await (await get()).arrayBuffer()).byteLength).toBe(7);
  await expect(get().then(async (answer) => await answer.arrayBuffer())).rejects.toThrow();
  expect((await get()).status).toBe(200);
});

it("history is refused with field, value and what is allowed", async () => {
  await expect(simulator.client.history("33600000204", { blobs: 0 })).rejects.toThrow(
    "blobs: 0: Too small: expected number to be >=1",
  );
});
