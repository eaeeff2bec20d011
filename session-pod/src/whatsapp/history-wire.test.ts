import { proto } from "@whiskeysockets/baileys";
import { describe, expect, it } from "vitest";
import { HistoryRefused, reduceHistory } from "./history-wire.ts";

const { RECENT } = proto.HistorySync.HistorySyncType;
const encoded = (sync: proto.IHistorySync): Uint8Array => proto.HistorySync.encode(sync).finish();
const reduced = (sync: proto.IHistorySync): proto.HistorySync => proto.HistorySync.decode(reduceHistory(encoded(sync)));

const text = (id: string, more: object = {}): proto.IHistorySyncMsg => ({
  message: { key: { id, fromMe: true, remoteJid: "1@lid" }, message: { conversation: "a long text" }, ...more },
});
const receipt = { userReceipt: [{ userJid: "491@s.whatsapp.net" }] };

describe("of a blob of history is kept", () => {
  it("who has which hidden number, and the tokens of chats; no name and no text", () => {
    const sync = {
      syncType: RECENT,
      progress: 50,
      pushnames: [{ id: "49@s.whatsapp.net", pushname: "somebody" }],
      phoneNumberToLidMappings: [{ pnJid: "49@s.whatsapp.net", lidJid: "9@lid" }],
      conversations: [
        {
          id: "49@s.whatsapp.net",
          lidJid: "9@lid",
          name: "somebody",
          tcToken: Buffer.from([1, 2]),
          tcTokenTimestamp: 1_700_000_000,
          messages: [text("A"), text("B", receipt)],
        },
      ],
    };
    expect(proto.HistorySync.toObject(reduced(sync), { longs: Number, bytes: Array })).toEqual({
      syncType: RECENT,
      phoneNumberToLidMappings: [{ pnJid: "49@s.whatsapp.net", lidJid: "9@lid" }],
      conversations: [{ id: "49@s.whatsapp.net", lidJid: "9@lid", tcToken: [1, 2], tcTokenTimestamp: 1_700_000_000 }],
    });
  });

  it("of a chat under a hidden number alone the first receipt, which tells the number behind it", () => {
    const [chat] = reduced({
      syncType: RECENT,
      conversations: [{ id: "9@lid", messages: [text("A"), text("B", receipt), text("C", receipt)] }],
    }).conversations;
    const messages = (chat?.messages ?? []).map(({ message }) => message);
    expect(messages).toHaveLength(1);
    expect(messages[0]).toMatchObject({ key: { id: "B", fromMe: true }, ...receipt });
    expect(messages[0]?.message).toBeFalsy();
  });

  it("nothing of an empty one", () => {
    expect(reduceHistory(new Uint8Array())).toHaveLength(0);
  });
});

describe("a blob is refused that", () => {
  it.each([
    ["has more chats than memory is for", Buffer.alloc(200_000, Buffer.from([0x12, 0]))],
    ["has more fields than time is for", Buffer.alloc(500_000, Buffer.from([0x28, 1]))],
    ["ends in the middle of a field", Buffer.from([0x12, 5, 1])],
    ["has a number without an end", Buffer.alloc(20, 0xff)],
    ["has a field of a kind that does not exist", Buffer.from([0x0f])],
  ])("%s", (_words, raw) => {
    expect(() => reduceHistory(raw)).toThrow(HistoryRefused);
  });
});
