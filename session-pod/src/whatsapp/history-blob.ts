import "./quiet.ts";
import { createDecipheriv, createHmac, timingSafeEqual } from "node:crypto";
import { DEFAULT_ORIGIN, getMediaKeys, type proto } from "@whiskeysockets/baileys";
import type { Dialer } from "../sessions/ports.ts";
import { HistoryRefused } from "./history-wire.ts";
import { inflateWithin } from "./inflate-limit.ts";

export type HistoryNotice = proto.Message.IHistorySyncNotification;

/** A bigger blob of history would cost every session of the pod memory and time. */
export const historyCapBytes = 4 * 1024 * 1024;
/** What a blob may inflate to, whatever was claimed. */
const rawCapBytes = 32 * 1024 * 1024;
const macBytes = 10;
/** Padding of the cipher and its authentication. */
const sealBytes = 64;

/** Where files are kept: WhatsApp's own host, and of any other server the server itself. */
export function mediaBaseOf(url: string): string {
  const { protocol, host, hostname } = new URL(url);
  if (hostname.endsWith(".whatsapp.com")) return "https://mmg.whatsapp.net";
  return `${protocol === "wss:" ? "https" : "http"}://${host}`;
}

export interface BlobSource {
  readonly mediaBase: string;
  readonly dispatcher: Dialer["dispatcher"];
}

/** The blob that a notice tells of, inflated. Rejects where it is more than the caps, not what was sealed, or not there in time. */
export async function readBlob(notice: HistoryNotice, source: BlobSource, signal: AbortSignal): Promise<Buffer> {
  const inline = notice.initialHistBootstrapInlinePayload ?? undefined;
  const compressed = inline ?? (await opened(notice, await download(notice.directPath ?? "", source, signal)));
  if (compressed.length > historyCapBytes) throw new HistoryRefused(`a blob of more than ${historyCapBytes} bytes`);
  return await inflateWithin(compressed, rawCapBytes);
}

async function download(path: string, { mediaBase, dispatcher }: BlobSource, signal: AbortSignal): Promise<Buffer> {
  if (!path.startsWith("/")) throw new HistoryRefused("a blob without a path");
  const init: RequestInit = { headers: { origin: DEFAULT_ORIGIN }, signal };
  // The dispatcher is of another release of undici than Node's types; the dialer answers for that it fits.
  const answer = await fetch(`${mediaBase}${path}`, Object.assign(init, { dispatcher }));
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of answer.body ?? []) {
    bytes += chunk.length;
    if (bytes > historyCapBytes + sealBytes) throw new HistoryRefused(`a file of more than ${historyCapBytes} bytes`);
    chunks.push(chunk);
  }
  if (!answer.ok) throw new Error(`the media server answered ${answer.status}`);
  return Buffer.concat(chunks);
}

/** The library checks no authentication: whoever serves the file could make it inflate to anything. */
async function opened({ mediaKey }: HistoryNotice, sealed: Buffer): Promise<Buffer> {
  const { iv, cipherKey, macKey } = await getMediaKeys(mediaKey, "md-msg-hist");
  const split = Math.max(0, sealed.length - macBytes);
  const [encrypted, mac] = [sealed.subarray(0, split), sealed.subarray(split)];
  const expected = createHmac("sha256", macKey ?? "")
    .update(iv)
    .update(encrypted)
    .digest()
    .subarray(0, macBytes);
  if (mac.length !== macBytes || !timingSafeEqual(mac, expected))
    throw new Error("the blob is not what the phone sealed");
  const decipher = createDecipheriv("aes-256-cbc", cipherKey, iv);
  return Buffer.concat([decipher.update(encrypted), decipher.final()]);
}
