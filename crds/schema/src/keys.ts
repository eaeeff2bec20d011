import { hkdfSync } from "node:crypto";
import type { DataKey } from "./link/frames.ts";

/**
 * Everything that is derived from the installation's master key, in one place: the operator derives for its session pods,
 * a session run alone and the `messages` command for themselves, and all must come to the same bytes (HKDF-SHA256, RFC 5869).
 */
export const masterKeyBytes = 32;

const derivedBytes = 32;
const canaryInfo = "canary";
const keyIdInfo = "key-id";
const keyIdBytes = 4;

/** Key of a device in the store. `installation` may itself contain slashes; namespace and name cannot. */
export function storeKey(installation: string, namespace: string, name: string): string {
  return `${installation}/${namespace}/${name}`;
}

/** Installation and namespace of a device that runs without Kubernetes. */
export const alone = { installation: "alone", namespace: "alone" } as const;

/** The 32 bytes of a master key from base64, surrounding white space allowed. Throws on anything else; never says the text. */
export function parseMasterKey(base64: string): Uint8Array {
  const text = base64.trim();
  const key = Buffer.from(text, "base64");
  if (key.length !== masterKeyBytes || key.toString("base64") !== text)
    throw new Error(`the master key must be ${masterKeyBytes} bytes as base64 (44 characters)`);
  return key;
}

/** Fingerprint of a master key, stored with every value: tells which of several keys encrypted it. Reveals nothing of the key. */
export function masterKeyId(masterKey: Uint8Array): string {
  return derive(masterKey, "", keyIdInfo, keyIdBytes).toString("hex");
}

/** A device's own data key, 32 bytes as base64. `deviceKey` as {@link storeKey} gives it. */
export function deriveDataKey(masterKey: Uint8Array, keyId: string, deviceKey: string): string {
  return derive(masterKey, keyId, deviceKey, derivedBytes).toString("base64");
}

/** The data key that a device's values are encrypted with now, together with its id. */
export function currentDataKey(masterKey: Uint8Array, deviceKey: string): DataKey {
  const keyId = masterKeyId(masterKey);
  return { keyId, keyBase64: deriveDataKey(masterKey, keyId, deviceKey) };
}

/** Key of the store's canary value, 32 bytes as base64. No device has this info: device keys contain slashes. */
export function deriveCanaryKey(masterKey: Uint8Array): string {
  return derive(masterKey, "", canaryInfo, derivedBytes).toString("base64");
}

function derive(masterKey: Uint8Array, salt: string, info: string, bytes: number): Buffer {
  if (masterKey.length !== masterKeyBytes) throw new Error(`the master key must be ${masterKeyBytes} bytes long`);
  return Buffer.from(hkdfSync("sha256", masterKey, salt, info, bytes));
}
