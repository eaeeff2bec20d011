/**
 * Addresses at WhatsApp (JIDs), such as 33612345678@s.whatsapp.net. A person has two: by number, and by hidden number (LID), whose
 * digits tell nothing. Each of a person's devices has its own, with a number after a colon.
 */
export interface Address {
  readonly kind: "number" | "hidden" | "group";
  /** Digits; of an older group two runs of them. */
  readonly user: string;
}

const kinds: ReadonlyMap<string, Address["kind"]> = new Map([
  ["s.whatsapp.net", "number"],
  ["c.us", "number"],
  ["hosted", "number"],
  ["lid", "hidden"],
  ["hosted.lid", "hidden"],
  ["g.us", "group"],
]);
const serverOf = { number: "s.whatsapp.net", hidden: "lid", group: "g.us" } as const;

/** User, agent and device, server. Nothing in it is longer than any address that WhatsApp gives. */
const form = /^([0-9]{1,24}(?:-[0-9]{1,24})?)(?:_[0-9]{1,4})?(?::[0-9]{1,5})?@([a-z.]{1,16})$/;

/** Undefined for whatever is no person and no group: newsletters, broadcasts, the server itself. */
export function parseAddress(jid: string): Address | undefined {
  const [, user = "", server = ""] = form.exec(jid) ?? [];
  const kind = kinds.get(server);
  return kind === undefined || (kind !== "group" && user.includes("-")) ? undefined : { kind, user };
}

const formatAddress = ({ kind, user }: Address): string => `${user}@${serverOf[kind]}`;

/** Undefined where those are not the digits of one. */
export function addressOf(kind: Address["kind"], user: string): string | undefined {
  const jid = formatAddress({ kind, user });
  return parseAddress(jid)?.user === user ? jid : undefined;
}

/** A person's addresses in one order, whichever of them the server used: by number first, where that is known. */
export function namesOf(
  jid: string,
  alias: string | undefined,
): { readonly name: string; readonly alias: string | undefined } {
  const [used, other] = [chatOf(jid), alias === undefined ? undefined : chatOf(alias)];
  const isHidden = parseAddress(used)?.kind === "hidden";
  return isHidden && other !== undefined ? { name: other, alias: used } : { name: used, alias: other };
}

/** The chat that an address belongs to: without its device, and a hosted account by its usual server. Others as they are. */
export function chatOf(jid: string): string {
  const address = parseAddress(jid);
  return address === undefined ? jid : formatAddress(address);
}
