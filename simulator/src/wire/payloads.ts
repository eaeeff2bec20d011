import { randomInt } from "node:crypto";
import { proto } from "@whiskeysockets/baileys";
import { hmacSha256, isSignedBy, sign, type KeyPair } from "./curve.ts";
import { ProtocolError } from "./frames.ts";

/** What a client says of itself in its last handshake message. */
export type ClientPayload = { readonly clientVersion: string } & (
  | { readonly kind: "login"; readonly phone: string; readonly device: number }
  | {
      readonly kind: "registration";
      readonly identity: Buffer;
      readonly registrationId: number;
      readonly signedPreKey: SignedPreKey;
    }
);

export type RegistrationPayload = Extract<ClientPayload, { kind: "registration" }>;
export type LoginPayload = Extract<ClientPayload, { kind: "login" }>;

export interface SignedPreKey {
  readonly id: number;
  readonly public: Buffer;
  readonly signature: Buffer;
}

const uint = (bytes: Uint8Array | null | undefined): number => {
  const buffer = Buffer.from(bytes ?? []);
  return buffer.length === 0 ? 0 : buffer.readUIntBE(0, buffer.length);
};

function registrationOf(
  pairing: proto.ClientPayload.IDevicePairingRegistrationData,
): Pick<RegistrationPayload, "identity" | "registrationId" | "signedPreKey"> {
  return {
    identity: Buffer.from(pairing.eIdent ?? []),
    registrationId: uint(pairing.eRegid),
    signedPreKey: {
      id: uint(pairing.eSkeyId),
      public: Buffer.from(pairing.eSkeyVal ?? []),
      signature: Buffer.from(pairing.eSkeySig ?? []),
    },
  };
}

export function decodeClientPayload(bytes: Uint8Array): ClientPayload {
  const payload = proto.ClientPayload.decode(bytes);
  const version = payload.userAgent?.appVersion;
  const clientVersion = [version?.primary, version?.secondary, version?.tertiary].map((part) => part ?? 0).join(".");
  if (payload.devicePairingData)
    return { kind: "registration", clientVersion, ...registrationOf(payload.devicePairingData) };
  if (payload.username === null || payload.username === undefined)
    throw new ProtocolError("payload has neither username nor devicePairingData");
  return { kind: "login", clientVersion, phone: payload.username.toString(), device: payload.device ?? 0 };
}

/** Whether a phone alone holds the keys, or Meta too (coexistence with the Cloud API): `ADVEncryptionType`. */
export const encryptionTypes = ["E2EE", "HOSTED"] as const;
type EncryptionType = (typeof encryptionTypes)[number];
const numberOf = (type: EncryptionType): number => encryptionTypes.indexOf(type);

const accountPrefix = Buffer.from([6, 0]);
const hostedAccountPrefix = Buffer.from([6, 5]);
const devicePrefix = Buffer.from([6, 1]);

export interface LinkedAccount {
  readonly identity: KeyPair;
  readonly rawId: number;
  readonly keyIndex: number;
  /** Of the account: what the offer is sealed as. */
  readonly accountType: EncryptionType;
  /** Of the companion: what its identity is signed as. */
  readonly deviceType: EncryptionType;
}

/**
 * The signed claim of a phone that a companion belongs to it, sealed with the companion's ADV secret. Of hosted ones, seal and
 * signature begin with other bytes, each by its own type (whatsmeow pair.go, whatsapp-rust #1440).
 */
export function signDeviceIdentity(
  account: LinkedAccount,
  companion: { identity: Buffer; advSecret: Buffer },
): { blob: Buffer; details: Buffer } {
  const details = Buffer.from(
    proto.ADVDeviceIdentity.encode({
      rawId: account.rawId,
      keyIndex: account.keyIndex,
      timestamp: Math.floor(Date.now() / 1000),
      accountType: numberOf(account.accountType),
      deviceType: numberOf(account.deviceType),
    }).finish(),
  );
  const prefix = account.deviceType === "HOSTED" ? hostedAccountPrefix : accountPrefix;
  const accountSignature = sign(account.identity.private, Buffer.concat([prefix, details, companion.identity]));
  const signed = proto.ADVSignedDeviceIdentity.encode({
    details,
    accountSignatureKey: account.identity.public,
    accountSignature,
  }).finish();
  const blob = proto.ADVSignedDeviceIdentityHMAC.encode({
    details: signed,
    hmac: hmacSha256(
      companion.advSecret,
      account.accountType === "HOSTED" ? Buffer.concat([hostedAccountPrefix, signed]) : signed,
    ),
    accountType: numberOf(account.accountType),
  }).finish();
  return { blob: Buffer.from(blob), details };
}

/** Whether the companion countersigned the same details. */
export function isCountersigned(
  answer: Uint8Array,
  expected: { details: Buffer; companionIdentity: Buffer; accountIdentity: Buffer },
): boolean {
  const signed = proto.ADVSignedDeviceIdentity.decode(answer);
  const message = Buffer.concat([devicePrefix, expected.details, expected.companionIdentity, expected.accountIdentity]);
  return isSignedBy(expected.companionIdentity, message, Buffer.from(signed.deviceSignature ?? []));
}

/** Text of a decrypted message; a device's own phone gets it wrapped as deviceSentMessage. */
export function textOf(padded: Uint8Array): string | undefined {
  const padding = padded.at(-1) ?? 0;
  const decoded = proto.Message.decode(padded.subarray(0, padded.length - padding));
  const message = decoded.deviceSentMessage?.message ?? decoded;
  return message.conversation ?? message.extendedTextMessage?.text ?? undefined;
}

export const encodedText = (text: string): Uint8Array => proto.Message.encode({ conversation: text }).finish();

/** A message written as WAProto's JSON. @throws TypeError when a field holds what it cannot */
export const encodedMessage = (json: Record<string, unknown>): Uint8Array =>
  proto.Message.encode(proto.Message.fromObject(json)).finish();

/** A message as clients encrypt it: with 1 to 16 bytes after it that each hold their number. */
export function padded(message: Uint8Array): Buffer {
  const padding = randomInt(1, 17);
  return Buffer.concat([message, Buffer.alloc(padding, padding)]);
}
