import { expect, it } from "vitest";
import { chatOf, namesOf, parseAddress } from "./address.ts";

it.each([
  ["33612345678@s.whatsapp.net", "33612345678@s.whatsapp.net"],
  ["33612345678:12@s.whatsapp.net", "33612345678@s.whatsapp.net"],
  ["33612345678_1:2@s.whatsapp.net", "33612345678@s.whatsapp.net"],
  ["33612345678@c.us", "33612345678@s.whatsapp.net"],
  ["33612345678:99@hosted", "33612345678@s.whatsapp.net"],
  ["900000000000001:3@lid", "900000000000001@lid"],
  ["900000000000001:99@hosted.lid", "900000000000001@lid"],
  ["120363041234567890@g.us", "120363041234567890@g.us"],
  ["33612345678-1400000000@g.us", "33612345678-1400000000@g.us"],
  ["120363000000000000@newsletter", "120363000000000000@newsletter"],
  ["status@broadcast", "status@broadcast"],
  ["", ""],
])("%s belongs to the chat %s", (jid, chat) => {
  expect(chatOf(jid)).toBe(chat);
});

const [number, hidden] = ["33612345678@s.whatsapp.net", "900000000000001@lid"];
it.each([
  [number, undefined, number, undefined],
  [number, hidden, number, hidden],
  [hidden, number, number, hidden],
  ["33612345678:4@s.whatsapp.net", hidden, number, hidden],
  ["900000000000001:4@lid", number, number, hidden],
  ["900000000000001:4@lid", undefined, hidden, undefined],
  ["120363041234567890@g.us", undefined, "120363041234567890@g.us", undefined],
])("one of %s, also known as %s, is %s alias %s", (jid, other, name, alias) => {
  expect(namesOf(jid, other)).toEqual({ name, alias });
});

it.each(["", "33612345678", "@lid", "+33612345678@s.whatsapp.net", "1-2@lid", "1@constructor", "1@lid\0", "1@lid\n"])(
  "%j is no address of a person or a group",
  (jid) => {
    expect(parseAddress(jid)).toBeUndefined();
  },
);
