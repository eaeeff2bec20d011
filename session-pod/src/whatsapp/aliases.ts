import type { BinaryNode } from "@whiskeysockets/baileys";
import { addressOf, chatOf, parseAddress, type Address } from "../session/address.ts";

/** The other addresses of a message's chat and sender, where they are known: by hidden number, or by number. */
export interface Aliases {
  readonly chatAlias?: string | undefined;
  readonly senderAlias?: string | undefined;
}

/** A stanza's attributes that tell them, by whom they are about; the server gives the other kind than that of the address. */
const ofSender = ["participant_pn", "participant_lid", "sender_pn", "sender_lid"];
const ofRecipient = ["recipient_pn", "recipient_lid", "peer_recipient_pn", "peer_recipient_lid"];

/** What a message's stanza says of them itself. */
export function aliasesIn({ attrs }: BinaryNode): Aliases {
  const { from = "", participant, recipient } = attrs;
  const senderAlias = firstOther(participant ?? from, attrs, ofSender);
  // One who writes in private is the chat; of what the account itself wrote elsewhere, the chat is the recipient.
  if (recipient !== undefined) return { senderAlias, chatAlias: firstOther(recipient, attrs, ofRecipient) };
  return { senderAlias, chatAlias: participant === undefined ? senderAlias : undefined };
}

function firstOther(jid: string, attrs: BinaryNode["attrs"], names: readonly string[]): string | undefined {
  const kind = otherKind(jid);
  const found = names.flatMap((name) => attrs[name] ?? []).find((other) => parseAddress(other)?.kind === kind);
  return found === undefined ? undefined : chatOf(found);
}

function otherKind(jid: string): Address["kind"] | undefined {
  const kind = parseAddress(jid)?.kind;
  if (kind === undefined || kind === "group") return undefined;
  return kind === "number" ? "hidden" : "number";
}

/** The library's type of values for pairs of addresses; an id is a number's digits, or those of a hidden number and a mark. */
export const pairType = "lid-mapping";

/** Where the library keeps the other address of a person; undefined: groups and the like have none. */
export function pairIdOf(jid: string): string | undefined {
  const address = parseAddress(jid);
  if (address === undefined || address.kind === "group") return undefined;
  return address.kind === "hidden" ? `${address.user}_reverse` : address.user;
}

/** @param user digits, as the library keeps them under {@link pairIdOf} */
export function otherAddress(jid: string, user: unknown): string | undefined {
  const kind = otherKind(jid);
  if (kind === undefined || kind === "group" || typeof user !== "string") return undefined;
  return addressOf(kind, user);
}

/** Finds other addresses among the values that the library stored; each is read once. */
export function aliasReader(
  read: (type: string, id: string) => Promise<Uint8Array | undefined>,
): (jid: string) => Promise<string | undefined> {
  const known = new Map<string, Promise<string | undefined>>();
  const find = async (jid: string, id: string): Promise<string | undefined> => {
    const stored = await read(pairType, id);
    return stored === undefined ? undefined : otherAddress(jid, JSON.parse(Buffer.from(stored).toString("utf8")));
  };
  return async (jid) => {
    const id = pairIdOf(jid);
    if (id === undefined) return undefined;
    const found = known.get(id) ?? find(jid, id).catch(() => undefined);
    known.set(id, found);
    return await found;
  };
}
