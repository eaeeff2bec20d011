import { createCipheriv, randomBytes } from "node:crypto";
import { proto } from "@whiskeysockets/baileys";
import { hkdf, hmacSha256 } from "./curve.ts";
import { zlibWithZeros } from "./zlib.ts";

export const syncTypes = [
  "INITIAL_BOOTSTRAP",
  "FULL",
  "RECENT",
  "PUSH_NAME",
  "NON_BLOCKING_DATA",
  "ON_DEMAND",
] as const;
type SyncType = (typeof syncTypes)[number];

/** What a blob of history holds. */
export interface HistoryContent {
  readonly syncType: SyncType;
  /** Address and hidden-number address of each chat. */
  readonly chats: readonly { readonly pnJid: string; readonly lidJid: string }[];
  /** Bytes that do not compress, and mebibytes that compress to a thousandth. */
  readonly noiseBytes: number;
  readonly zeroMebibytes: number;
}

const mebibyte = 2 ** 20;
/** Field `threadIdUserSecret`, which no client looks into. */
const secretTag = 0x4a;

/** The blob as phones make it: HistorySync, compressed. */
export function historyBlob({ syncType, chats, noiseBytes, zeroMebibytes }: HistoryContent): Buffer {
  const sync = proto.HistorySync.encode({
    syncType: proto.HistorySync.HistorySyncType[syncType],
    conversations: chats.map(({ pnJid, lidJid }) => ({ id: pnJid, lidJid, messages: [] })),
    phoneNumberToLidMappings: chats.map(({ pnJid, lidJid }) => ({ pnJid, lidJid })),
    ...(noiseBytes > 0 && { threadIdUserSecret: randomBytes(noiseBytes) }),
  }).finish();
  if (zeroMebibytes === 0) return zlibWithZeros(sync, 0);
  const zeros = Buffer.concat([Buffer.from([secretTag]), varint(zeroMebibytes * mebibyte)]);
  return zlibWithZeros(Buffer.concat([sync, zeros]), zeroMebibytes);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return Buffer.from([...bytes, rest]);
}

const macBytes = 10;
const mediaInfo = "WhatsApp History Keys";

/** Encrypted as media servers keep it. */
export function sealedMedia(plain: Uint8Array): { readonly mediaKey: Buffer; readonly sealed: Buffer } {
  const mediaKey = randomBytes(32);
  const keys = hkdf(mediaKey, 112, { info: mediaInfo });
  const [iv, cipherKey, macKey] = [keys.subarray(0, 16), keys.subarray(16, 48), keys.subarray(48, 80)];
  const cipher = createCipheriv("aes-256-cbc", cipherKey, iv);
  const encrypted = Buffer.concat([cipher.update(plain), cipher.final()]);
  const mac = hmacSha256(macKey, Buffer.concat([iv, encrypted])).subarray(0, macBytes);
  return { mediaKey, sealed: Buffer.concat([encrypted, mac]) };
}

interface Notice {
  readonly syncType: SyncType;
  readonly fileLength: number;
  readonly chunkOrder: number;
  readonly inline?: Uint8Array;
  readonly download?: { readonly directPath: string; readonly mediaKey: Uint8Array };
}

/** The message by which a phone tells its companions of a blob. */
export function historyNotice({ syncType, fileLength, chunkOrder, inline, download }: Notice): Uint8Array {
  return proto.Message.encode({
    protocolMessage: {
      type: proto.Message.ProtocolMessage.Type.HISTORY_SYNC_NOTIFICATION,
      historySyncNotification: {
        syncType: proto.Message.HistorySyncType[syncType],
        fileLength,
        chunkOrder,
        progress: 100,
        ...(inline && { initialHistBootstrapInlinePayload: inline }),
        ...download,
      },
    },
  }).finish();
}
