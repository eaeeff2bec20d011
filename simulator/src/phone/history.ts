import { randomUUID } from "node:crypto";
import { z } from "zod";
import { readBody } from "../scenarios/read.ts";
import type { Context } from "../server/context.ts";
import { sendMessage } from "../server/delivery.ts";
import { mediaPath } from "../server/media.ts";
import { lidJid, phoneJid, type Account } from "../server/world.ts";
import { historyBlob, historyNotice, sealedMedia, syncTypes } from "../wire/history.ts";

/** What `POST /phone/history` takes. */
export const History = z.strictObject({
  syncType: z.enum(syncTypes).default("RECENT"),
  blobs: z.int().min(1).max(500).default(1),
  chats: z.int().min(0).max(50_000).default(1).describe("Chats in each blob; their numbers count up from 4900000000."),
  noiseBytes: z.int().min(0).max(16_777_216).default(0).describe("Random bytes in each blob: they do not compress."),
  zeroMebibytes: z.int().min(0).max(1_024).default(0).describe("Zeros in each blob: they compress to a thousandth."),
  by: z.enum(["inline", "download"]).default("download").describe("In the message itself, or at the media endpoint."),
  fileLength: z.int().min(0).optional().describe("What the message claims; absent: the truth."),
});
type History = z.infer<typeof History>;

export const readHistory = (text: string): History => readBody(History, text);

const firstChat = 4_900_000_000;

/** The phone sends its history to all its linked devices; resolves to the messages' ids. */
export async function sendHistory(context: Context, account: Account, history: History): Promise<string[]> {
  const { syncType, noiseBytes, zeroMebibytes, by } = history;
  const chats = Array.from({ length: history.chats }, (_none, place) => String(firstChat + place)).map((phone) => ({
    pnJid: phoneJid(phone),
    lidJid: lidJid(phone),
  }));
  const ids: string[] = [];
  for (let chunkOrder = 1; chunkOrder <= history.blobs; chunkOrder += 1) {
    const blob = historyBlob({ syncType, chats, noiseBytes, zeroMebibytes });
    const fileLength = history.fileLength ?? blob.length;
    const content = by === "inline" ? { inline: blob } : { download: keep(context, account, blob) };
    const message = historyNotice({ syncType, fileLength, chunkOrder, ...content });
    ids.push(await sendMessage(context, { from: account, to: account, message, category: "peer" }));
  }
  return ids;
}

function keep(context: Context, account: Account, blob: Buffer): { directPath: string; mediaKey: Buffer } {
  const { mediaKey, sealed } = sealedMedia(blob);
  const directPath = `${mediaPath}${randomUUID()}`;
  context.media.blobs.set(directPath, { phone: account.phone, sealed });
  return { directPath, mediaKey };
}
