import { expect, it } from "vitest";
import { Recipient } from "./recipient.ts";

it.each([
  ["+33612345678", "33612345678@s.whatsapp.net"],
  ["33612345678@s.whatsapp.net", "33612345678@s.whatsapp.net"],
  ["33612345678:3@s.whatsapp.net", "33612345678@s.whatsapp.net"],
  ["900000000000001@lid", "900000000000001@lid"],
  ["120363041234567890@g.us", "120363041234567890@g.us"],
])("a text may go to %s, which is %s", (to, address) => {
  expect(Recipient.parse(to)).toBe(address);
});

it.each([
  "",
  "33612345678",
  "+0612345678",
  "@lid",
  "x@lid",
  "1@newsletter",
  "status@broadcast",
  `${"1".repeat(100)}@lid`,
  "1@lid\0",
])("no text may go to %j", (to) => {
  expect(() => Recipient.parse(to)).toThrow("a number such as +33612345678, or the chat");
});
