import { createHash } from "node:crypto";
import type { InboxMessage } from "../sessions/ports.ts";

/**
 * Names in the store that others chose: senders choose ids of messages, and addresses of contacts name Signal keys. A text column
 * holds no NUL and no half character, and PostgreSQL no index row above 2,704 bytes, of which a device's own key takes some 350.
 */
const longestAddressBytes = 256;
const longestIdBytes = 512;

type MessageNames = Pick<InboxMessage, "chat" | "sender" | "messageId">;

/** Whether the inbox can hold a message under these names, as they are. */
export function isStorable({ chat, sender, messageId }: MessageNames): boolean {
  return (
    isColumnText(chat, longestAddressBytes) &&
    isColumnText(sender, longestAddressBytes) &&
    isColumnText(messageId, longestIdBytes)
  );
}

/** Whether a message of ours can have this id. */
export const isStorableId = (messageId: string): boolean => isColumnText(messageId, longestIdBytes);

const isColumnText = (text: string, mostBytes: number): boolean =>
  text.isWellFormed() && !text.includes("\0") && Buffer.byteLength(text) <= mostBytes;

/** What stands for a message whose names no column holds; the same names always give the same. */
export function hashedNames({ chat, sender, messageId }: MessageNames): string {
  return hash(JSON.stringify([chat, sender, messageId]));
}

const longestNote = 500;

/** Words of a server in a column of ours: for people, never compared. */
export const noteText = (text: string): string => text.slice(0, longestNote).replace(/[^\x20-\x7e]/g, "?");

const hashMark = "#sha256:";
const plainId = /^[\x20-\x7e]{0,512}$/;

/**
 * The column's text for a value's id. Ids are ASCII as the client library makes them of honest addresses; any other, and one that
 * looks like a hash, is stored under its hash, so that no address can stand in another's place or fail to be stored.
 */
export function storedId(id: string): string {
  return plainId.test(id) && !id.startsWith(hashMark) ? id : `${hashMark}${hash(JSON.stringify(id))}`;
}

/** JSON keeps half characters apart, which UTF-8 does not. */
const hash = (json: string): string => createHash("sha256").update(json).digest("hex");
