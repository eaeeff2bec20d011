import { proto } from "@whiskeysockets/baileys/WAProto/index.js";
import { expect, it } from "vitest";
import { messageText } from "./message-text.ts";

const plain = { conversation: "Hello" };

it.each<[string, proto.IMessage, string | undefined]>([
  ["a plain text", plain, "Hello"],
  ["a text with a link", { extendedTextMessage: { text: "see example.com" } }, "see example.com"],
  ["an empty text", { conversation: "" }, ""],
  ["what another device of the account sent", { deviceSentMessage: { message: plain } }, "Hello"],
  [
    "a vanishing text in such a copy",
    { deviceSentMessage: { message: { ephemeralMessage: { message: plain } } } },
    "Hello",
  ],
  ["a picture", { imageMessage: { mimetype: "image/jpeg" } }, undefined],
])("reads %s", (_case, message, expected) => {
  expect(messageText(proto.Message.encode(proto.Message.create(message)).finish())).toBe(expected);
});
