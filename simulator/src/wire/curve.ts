import "./quiet.ts";
import { createHmac, hkdfSync } from "node:crypto";
import { verify as verifyXEdDsa } from "curve25519-js";
import * as curve from "libsignal/src/curve.js";

/** A Curve25519 pair; both halves are 32 bytes, without the type byte that Signal puts before public keys. */
export interface KeyPair {
  readonly public: Buffer;
  readonly private: Buffer;
}

const typed = (publicKey: Uint8Array): Buffer =>
  publicKey.length === 33 ? Buffer.from(publicKey) : Buffer.concat([Buffer.from([5]), publicKey]);

/** A public key with Signal's type byte 05 before it: 33 bytes. */
export const signalKey = typed;

export function newKeyPair(): KeyPair {
  const { pubKey, privKey } = curve.generateKeyPair();
  return { public: Buffer.from(pubKey).subarray(-32), private: Buffer.from(privKey) };
}

export function agree(privateKey: Uint8Array, publicKey: Uint8Array): Buffer {
  return Buffer.from(curve.calculateAgreement(typed(publicKey), Buffer.from(privateKey)));
}

/** XEdDSA over Curve25519: 64 bytes. */
export function sign(privateKey: Uint8Array, message: Uint8Array): Buffer {
  return Buffer.from(curve.calculateSignature(Buffer.from(privateKey), Buffer.from(message)));
}

/** Says whether the signature holds; unlike the client library's own check it does not swallow the answer. */
export function isSignedBy(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  return (
    signature.length === 64 &&
    verifyXEdDsa(Buffer.from(publicKey).subarray(-32), Buffer.from(message), Buffer.from(signature))
  );
}

export function hkdf(input: Uint8Array, length: number, options: { salt?: Uint8Array; info?: string } = {}): Buffer {
  return Buffer.from(hkdfSync("sha256", input, options.salt ?? Buffer.alloc(0), options.info ?? "", length));
}

export function hmacSha256(key: Uint8Array, data: Uint8Array): Buffer {
  return createHmac("sha256", key).update(data).digest();
}
