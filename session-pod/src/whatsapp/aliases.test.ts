import { expect, it } from "vitest";
import { aliasesIn, otherAddress, pairIdOf } from "./aliases.ts";

const number = "4915550000001@s.whatsapp.net";
const hidden = "900000000000001@lid";
const group = "120363041234567890@g.us";
const [contact, contactHidden] = ["4915550000002@s.whatsapp.net", "900000000000002@lid"];

it.each<[string, Record<string, string>, string | undefined, string | undefined]>([
  ["by number, with the hidden one", { from: number, sender_lid: hidden }, hidden, hidden],
  ["by hidden number, with the number", { from: hidden, sender_pn: number }, number, number],
  [
    "of a device, without the device",
    { from: "900000000000001:3@lid", sender_pn: "4915550000001:3@s.whatsapp.net" },
    number,
    number,
  ],
  ["without any", { from: number }, undefined, undefined],
  ["with one of the same kind, which says nothing", { from: number, sender_pn: contact }, undefined, undefined],
  ["with what is no address", { from: number, sender_lid: "x@lid" }, undefined, undefined],
  ["with a group in place of a person", { from: hidden, sender_pn: group }, undefined, undefined],
  [
    "to a group, by the member's hidden number",
    { from: group, participant: hidden, participant_pn: number },
    undefined,
    number,
  ],
  [
    "to a group, by the member's number",
    { from: group, participant: number, participant_lid: hidden },
    undefined,
    hidden,
  ],
  [
    "of the account's own, to a contact",
    { from: number, recipient: contact, recipient_lid: contactHidden, sender_lid: hidden },
    contactHidden,
    hidden,
  ],
  [
    "of the account's own, to a contact by hidden number",
    { from: hidden, recipient: contactHidden, peer_recipient_pn: contact },
    contact,
    undefined,
  ],
  ["of a newsletter", { from: "120363000000000002@newsletter", sender_pn: number }, undefined, undefined],
])("a message %s", (_words, attrs, chatAlias, senderAlias) => {
  expect(aliasesIn({ tag: "message", attrs })).toEqual({ chatAlias, senderAlias });
});

it.each([
  [number, "4915550000001", "900000000000001", hidden],
  [hidden, "900000000000001_reverse", "4915550000001", number],
  ["900000000000001:7@lid", "900000000000001_reverse", "4915550000001", number],
  [group, undefined, "1", undefined],
  [number, "4915550000001", { no: "text" }, undefined],
  [number, "4915550000001", "1@lid", undefined],
])("the library's note for %s is kept under %s and says %j: %s", (jid, id, user, other) => {
  expect([pairIdOf(jid), otherAddress(jid, user)]).toEqual([id, other]);
});
