import { expect, it } from "vitest";
import { personOf, wasSentTo } from "./resend.ts";

const contact = "4915550000001@s.whatsapp.net";
const contactHidden = "900000000000001@lid";
const stranger = "4915550000002@s.whatsapp.net";
const strangerHidden = "900000000000002@lid";
const self = "4915550000009@s.whatsapp.net";
const selfHidden = "900000000000009@lid";
const group = "120363041234567890@g.us";

const pairs = {
  getPNForLID: async (lid: string) =>
    ({ [contactHidden]: "4915550000001:0@s.whatsapp.net", [strangerHidden]: stranger, [selfHidden]: self })[lid] ??
    null,
};
const people = {
  personOf: async (jid: string) => await personOf(jid, pairs),
  isSelf: (jid: string) => jid.startsWith("4915550000009") || jid.startsWith("900000000000009"),
};

const asks = async (to: string, remoteJid: string | undefined, participant: string | undefined, fromMe = true) =>
  await wasSentTo(
    { remoteJid: remoteJid ?? null, participant: participant ?? null, fromMe, id: "A" },
    message(to),
    people,
  );
const message = (to: string) => ({ messageId: "A", to, text: "for one" });
const device = (jid: string, number: number): string => jid.replace("@", `:${number}@`);

it.each<[string, string, string | undefined, string | undefined]>([
  ["the contact", contact, contact, contact],
  ["a device of the contact's", contact, device(contact, 3), device(contact, 3)],
  ["the contact, by the hidden number", contact, contactHidden, contactHidden],
  ["a device of the contact's, by the hidden number", contact, device(contactHidden, 3), device(contactHidden, 3)],
  ["the contact by number, of a text to the hidden number", contactHidden, contact, contact],
  [
    "the contact, of whom only the hidden number is known",
    "900000000000077@lid",
    "900000000000077@lid",
    "900000000000077@lid",
  ],
  ["the own phone", contact, contact, self],
  ["another own device, by the hidden number", contact, contactHidden, device(selfHidden, 2)],
  ["a member of the group", group, group, stranger],
  ["a member of the group, by the hidden number", group, group, device(strangerHidden, 1)],
])("a text goes again to %s", async (_who, to, remoteJid, participant) => {
  expect(await asks(to, remoteJid, participant)).toBe(true);
});

it.each<[string, string, string | undefined, string | undefined]>([
  ["a stranger", contact, stranger, stranger],
  ["a stranger's hidden number", contact, strangerHidden, strangerHidden],
  ["a stranger in the contact's name", contact, contact, device(stranger, 1)],
  ["a stranger in the contact's hidden name", contact, contactHidden, device(strangerHidden, 1)],
  [
    "a number whose digits are those of the contact's hidden number",
    contactHidden,
    "900000000000001@s.whatsapp.net",
    "900000000000001@s.whatsapp.net",
  ],
  ["a member of a group, where the text was for one", contact, group, contact],
  ["one who asks in private for a text to the group", group, contact, contact],
  ["a member of another group", group, "120363000000000001@g.us", contact],
  ["the group in place of a member", group, group, group],
  ["the own phone, for another chat", contact, stranger, self],
  ["the own phone, for no chat", contact, undefined, self],
  ["nobody", contact, contact, undefined],
  ["what is no person", contact, contact, "status@broadcast"],
])("no text goes again to %s", async (_who, to, remoteJid, participant) => {
  expect(await asks(to, remoteJid, participant)).toBe(false);
});

it("a message that the account did not send is not sent again in its name", async () => {
  expect(await asks(contact, contact, contact, false)).toBe(false);
});
