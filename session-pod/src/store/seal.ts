import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  randomBytes,
  type CipherKey,
  type KeyObject,
} from "node:crypto";
import type { DataKey } from "@wa/schema";
import { StoreRefusedError, type DeviceKey } from "../sessions/ports.ts";

const algorithm = "aes-256-gcm";
const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;

/** An encrypted value as it lies in the database: nonce, tag, ciphertext. */
interface Sealed {
  readonly keyId: string;
  readonly ciphertext: Uint8Array;
}

/** Which value this is. Bound to the ciphertext, so that a value moved to another row does not open. */
export interface SealedPlace {
  readonly type: string;
  readonly id: string;
}

/** Encrypts and opens one device's values: AES-256-GCM (NIST SP 800-38D), a random nonce for each. */
export interface Sealer {
  seal(place: SealedPlace, plain: Uint8Array): Sealed;
  /** Throws StoreRefusedError(MasterKeyMismatch) where no key at hand opens it. */
  open(place: SealedPlace, sealed: Sealed): Uint8Array;
}

/** The first key encrypts, all decrypt. `device` is part of what is authenticated. */
export function createSealer(device: DeviceKey, dataKeys: readonly DataKey[]): Sealer {
  const [first] = dataKeys;
  if (first === undefined) throw new Error("a device needs at least one data key");
  const keys = new Map(dataKeys.map(({ keyId, keyBase64 }) => [keyId, parseKey(keyBase64)]));
  const current = parseKey(first.keyBase64);
  return {
    seal: (place, plain) => ({ keyId: first.keyId, ciphertext: encrypt(current, aad(device, place), plain) }),
    open: (place, { keyId, ciphertext }) => {
      const key = keys.get(keyId);
      const plain = key && decrypt(key, aad(device, place), ciphertext);
      if (plain) return plain;
      const known = dataKeys.map((dataKey) => dataKey.keyId).join(", ");
      const why = key ? "does not open with it" : `but the keys at hand are ${known}`;
      throw new StoreRefusedError("MasterKeyMismatch", `a ${place.type} value was stored with key ${keyId}, ${why}`);
    },
  };
}

/** As a key object: handing over the bytes costs 12 µs more for each value. */
function parseKey(base64: string): KeyObject {
  const key = Buffer.from(base64, "base64");
  if (key.length !== keyBytes) throw new Error(`a data key must be ${keyBytes} bytes as base64`);
  return createSecretKey(key);
}

const aad = (device: DeviceKey, { type, id }: SealedPlace): Buffer => Buffer.from(JSON.stringify([device, type, id]));

export function encrypt(key: CipherKey, associated: Uint8Array, plain: Uint8Array): Uint8Array {
  const nonce = nextNonce();
  const cipher = createCipheriv(algorithm, key, nonce, { authTagLength: tagBytes });
  cipher.setAAD(associated);
  const body = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), body]);
}

/** Chance is drawn for many nonces at once: a draw for each would be the larger part of encrypting a small value. */
const noncesPerDraw = 512;
let drawn = Buffer.alloc(0);

function nextNonce(): Buffer {
  if (drawn.length === 0) drawn = randomBytes(nonceBytes * noncesPerDraw);
  const nonce = drawn.subarray(0, nonceBytes);
  drawn = drawn.subarray(nonceBytes);
  return nonce;
}

/** Undefined where the key, the associated data or a byte differs. */
export function decrypt(key: CipherKey, associated: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
  if (sealed.length < nonceBytes + tagBytes) return undefined;
  const decipher = createDecipheriv(algorithm, key, sealed.subarray(0, nonceBytes), { authTagLength: tagBytes });
  decipher.setAAD(associated);
  decipher.setAuthTag(sealed.subarray(nonceBytes, nonceBytes + tagBytes));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(nonceBytes + tagBytes)), decipher.final()]);
  } catch {
    return undefined;
  }
}
