import { createHmac } from "node:crypto";
import { expect, it } from "vitest";
import { currentDataKey, deriveCanaryKey, deriveDataKey, masterKeyId, parseMasterKey, storeKey } from "./keys.ts";

const master = Buffer.alloc(32, 7);
const device = storeKey("wa/whatsapp-operator", "shop", "till-1");

/** HKDF of one block written out after RFC 5869, to judge the derivation by something other than itself. */
function hkdfByHand(salt: string, info: string): string {
  const pseudoRandomKey = createHmac("sha256", salt === "" ? Buffer.alloc(32) : salt)
    .update(master)
    .digest();
  return createHmac("sha256", pseudoRandomKey).update(info).update(Buffer.of(1)).digest("base64");
}

it("derives a data key by HKDF-SHA256 with the key id as salt and the device key as info", () => {
  expect(deriveDataKey(master, "k1", device)).toBe(hkdfByHand("k1", "wa/whatsapp-operator/shop/till-1"));
  expect(deriveCanaryKey(master)).toBe(hkdfByHand("", "canary"));
});

it("gives every device, every key id and the canary a key of its own", () => {
  const keys = [
    deriveDataKey(master, "k1", device),
    deriveDataKey(master, "k2", device),
    deriveDataKey(master, "k1", `${device}x`),
    deriveDataKey(Buffer.alloc(32, 8), "k1", device),
    deriveCanaryKey(master),
  ];
  expect(new Set(keys).size).toBe(keys.length);
});

it("names a master key by a fingerprint that changes with it", () => {
  expect(masterKeyId(master)).toMatch(/^[0-9a-f]{8}$/);
  expect(masterKeyId(Buffer.alloc(32, 8))).not.toBe(masterKeyId(master));
  expect(currentDataKey(master, device).keyId).toBe(masterKeyId(master));
});

it.each([
  ["too short", Buffer.alloc(31).toString("base64")],
  ["too long", Buffer.alloc(33).toString("base64")],
  ["empty", ""],
  ["not base64", "!".repeat(44)],
])("refuses a master key that is %s, without repeating it", (_case, text) => {
  expect(() => parseMasterKey(text)).toThrow(/must be 32 bytes as base64/);
});

it("accepts a master key with a line's end after it, as files have it", () => {
  expect(Buffer.from(parseMasterKey(`${master.toString("base64")}\n`))).toEqual(master);
});
