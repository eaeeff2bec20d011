import type { WAMessageKey } from "@whiskeysockets/baileys";
import type { OutboxMessage } from "../sessions/ports.ts";
import { chatOf, parseAddress } from "../session/address.ts";

/** What is known of addresses: which two are one person, and whose the device's own account is. */
export interface People {
  /** The address by number where it is known, else the one given; in either case without a device. */
  readonly personOf: (jid: string) => Promise<string>;
  readonly isSelf: (jid: string) => boolean;
}

/**
 * Whether those who ask for a message again were its recipient. A retry receipt names a message by its id alone, and ids travel:
 * whoever learned one must not get another's text. Of a one-to-one chat that is the contact by either address, or another device
 * of the own account; of a group any member, for which the server vouches: it takes receipts for a group from members alone.
 *
 * @param asked key that the library made of the receipt: `participant` is who asks
 */
export async function wasSentTo(asked: WAMessageKey, sent: OutboxMessage, people: People): Promise<boolean> {
  const { remoteJid, participant, fromMe } = asked;
  if (fromMe !== true || !isPresent(remoteJid) || !isPresent(participant)) return false;
  const chat = await people.personOf(sent.to);
  if ((await people.personOf(remoteJid)) !== chat) return false;
  const asker = parseAddress(participant);
  if (asker === undefined || asker.kind === "group") return false;
  return (
    parseAddress(chat)?.kind === "group" || people.isSelf(participant) || (await people.personOf(participant)) === chat
  );
}

const isPresent = (text: string | null | undefined): text is string => text !== null && text !== undefined;

/** The library's own pairs of addresses, as far as it stored them; nothing is asked of the server. */
export interface StoredPairs {
  readonly getPNForLID: (lid: string) => Promise<string | null>;
}

export async function personOf(jid: string, pairs: StoredPairs): Promise<string> {
  const chat = chatOf(jid);
  if (parseAddress(chat)?.kind !== "hidden") return chat;
  return chatOf((await pairs.getPNForLID(chat)) ?? chat);
}
