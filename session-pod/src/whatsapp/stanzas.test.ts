import type { BinaryNode } from "@whiskeysockets/baileys";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Envelopes, type Envelope } from "./stanzas.ts";

const nowMs = Date.UTC(2026, 10, 27);
const arrival = nowMs;

function remembered(attrs: BinaryNode["attrs"], ciphertext = new Uint8Array([1])): Envelope | undefined {
  const envelopes = new Envelopes();
  const content = [{ tag: "enc", attrs: {}, content: ciphertext }];
  envelopes.remember({ tag: "message", attrs: { from: "1@s.whatsapp.net", id: "A", ...attrs }, content }, nowMs);
  return envelopes.of(ciphertext);
}

describe("a message's time", () => {
  it.each([
    ["1790000000", 1_790_000_000_000, "as the server says it"],
    [String(nowMs / 1_000 + 60), nowMs + 60_000, "also a little ahead of our clock"],
    ["soon", arrival, "its arrival where it is no number"],
    ["", arrival, "its arrival where it is empty"],
    ["-1790000000", arrival, "its arrival where it is negative"],
    ["0", arrival, "its arrival where nothing of WhatsApp was there yet"],
    ["1790000000.5", arrival, "its arrival where it is no whole number"],
    ["1e9", arrival, "its arrival where it is written otherwise"],
    ["0x6AB13B80", arrival, "its arrival where it has another base"],
    ["1790000000000", arrival, "its arrival where it counts milliseconds"],
    ["99999999999999", arrival, "its arrival where it lies beyond the calendar"],
    ["9".repeat(100_000), arrival, "its arrival where it is as long as a book"],
  ])("%s is %i: %s", (t, expected) => {
    expect(remembered({ t })?.timestampMs).toBe(expected);
  });

  it("is always an instant that a database and a calendar hold", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.double().map(String), fc.bigInt().map(String)), (t) => {
        const { timestampMs = Number.NaN } = remembered({ t }) ?? {};
        expect(Number.isSafeInteger(timestampMs)).toBe(true);
        expect(() => new Date(timestampMs).toISOString()).not.toThrow();
      }),
    );
  });
});

it("messages without an id are told apart by what they hold", () => {
  const one = remembered({ id: "" }, new Uint8Array([1]))?.messageId;
  expect(one).toMatch(/^no-id-[0-9a-f]{32}$/);
  expect(remembered({ id: "" }, new Uint8Array([1]))?.messageId).toBe(one);
  expect(remembered({ id: "" }, new Uint8Array([2]))?.messageId).not.toBe(one);
});
