import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { expect, it } from "vitest";
import { createSealer } from "./seal.ts";

const key = (keyId: string) => ({ keyId, keyBase64: randomBytes(32).toString("base64") });
const place = { type: "session", id: "1.0" };
const secret = Buffer.from("secret");

it("opens what it sealed, whatever the bytes", () => {
  const sealer = createSealer("i/n/d", [key("k1")]);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (plain) => {
      expect(Buffer.from(sealer.open(place, sealer.seal(place, plain)))).toEqual(Buffer.from(plain));
    }),
  );
});

it("never uses a nonce twice, over more values than one draw covers", () => {
  const sealer = createSealer("i/n/d", [key("k1")]);
  const sealed = Array.from({ length: 2_000 }, () => sealer.seal(place, secret).ciphertext);
  expect(new Set(sealed.map((bytes) => Buffer.from(bytes.subarray(0, 12)).toString("hex"))).size).toBe(2_000);
});

it("does not open a value at another place, of another device, or with a byte changed", () => {
  const keys = [key("k1")];
  const sealer = createSealer("i/n/d", keys);
  const sealed = sealer.seal(place, secret);
  expect(() => sealer.open({ ...place, id: "2.0" }, sealed)).toThrow(/does not open/);
  expect(() => sealer.open({ ...place, type: "pre-key" }, sealed)).toThrow(/does not open/);
  expect(() => createSealer("i/n/other", keys).open(place, sealed)).toThrow(/does not open/);
  for (const at of [0, 12, sealed.ciphertext.length - 1]) {
    const changed = Buffer.from(sealed.ciphertext);
    changed[at] = (changed[at] ?? 0) ^ 1;
    expect(() => sealer.open(place, { ...sealed, ciphertext: changed })).toThrow(/does not open/);
  }
  expect(() => sealer.open(place, { ...sealed, ciphertext: Buffer.alloc(5) })).toThrow(/does not open/);
});

it("seals with the first key and opens with each", () => {
  const [older, newer] = [key("old"), key("new")];
  const rotated = createSealer("i/n/d", [newer, older]);
  expect(rotated.seal(place, secret).keyId).toBe("new");
  expect(Buffer.from(rotated.open(place, createSealer("i/n/d", [older]).seal(place, secret)))).toEqual(secret);
});

it("refuses a key of another length, and none", () => {
  expect(() => createSealer("i/n/d", [{ keyId: "k", keyBase64: "AAAA" }])).toThrow(/32 bytes/);
  expect(() => createSealer("i/n/d", [])).toThrow(/at least one/);
});
