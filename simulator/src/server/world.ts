import { randomBytes, randomInt } from "node:crypto";
import { Standing } from "../scenarios/standing.ts";
import { newKeyPair, sign, signalKey, type KeyPair } from "../wire/curve.ts";
import type { Node } from "../wire/nodes.ts";
import type { SignedPreKey } from "../wire/payloads.ts";
import type { Dress } from "./forms.ts";

/** A key bundle's public half, as peers fetch it. */
export interface PublicPreKey {
  readonly id: number;
  readonly public: Buffer;
}

/** A stanza that a device has not acknowledged yet. */
export interface Pending {
  /** Of the stanza; senders choose it, so that two may choose the same. */
  readonly id: string;
  readonly stanza: Node;
  deliveries: number;
  /** The device asked for it again, so an acknowledgement with an error is about an older copy. */
  isRetried: boolean;
  /** `phone:device` of the companion that wrote it; absent: a phone. */
  readonly sender?: string;
}

/** A message that a phone keeps for those who could not read it. */
interface SentMessage {
  /** As WAProto encodes it. */
  readonly message: Uint8Array;
  readonly category?: "peer" | undefined;
  readonly dress: Dress;
  /** How often each `phone:device` asked again. */
  readonly retries: Map<string, number>;
}

/** A companion of an account, as the server stores it. */
export interface LinkedDevice {
  readonly id: number;
  readonly noiseKey: Buffer;
  readonly identity: Buffer;
  registrationId: number;
  signedPreKey: SignedPreKey;
  readonly keyIndex: number;
  readonly preKeys: Map<number, Buffer>;
  /** By {@link pendingKey}, oldest first. */
  readonly pending: Map<string, Pending>;
}

/** A message is named by who it is from and its id. */
export const pendingKey = ({ attrs }: Node): string => `${attrs["id"] ?? ""} ${attrs["from"] ?? ""}`;

/** The waiting message that a client's receipt or acknowledgement means: by its id, and by its address where that is not enough. */
export function pendingOf(device: LinkedDevice, id: string, address: string | undefined): Pending | undefined {
  const sameId = [...device.pending.values()].filter((each) => each.id === id);
  if (sameId.length === 1) return sameId[0];
  const meant = parseAddress(address)?.phone;
  return sameId.find(({ stanza }) => {
    const { from } = stanza.attrs;
    return from === address || (meant !== undefined && parseAddress(from)?.phone === meant);
  });
}

/** An account made on demand for any number: its phone is device 0 and keeps a ratchet of its own. */
export interface Account {
  readonly phone: string;
  readonly lid: string;
  readonly identity: KeyPair;
  readonly registrationId: number;
  readonly rawId: number;
  readonly signedPreKey: { readonly id: number; readonly keys: KeyPair; readonly signature: Buffer };
  readonly preKeys: Map<number, KeyPair>;
  nextPreKeyId: number;
  keyIndex: number;
  nextDeviceId: number;
  readonly devices: Map<number, LinkedDevice>;
  readonly removedDevices: number[];
  standing: Standing;
  readonly inbox: DecryptedText[];
  readonly sent: Map<string, SentMessage>;
  /** How often this phone could not read a message and asked for it again. */
  retriesAsked: number;
}

/** What a peer decrypted with its own ratchet. */
interface DecryptedText {
  readonly id: string;
  readonly from: string;
  readonly fromDevice: number;
  readonly text: string;
  readonly time: string;
}

/** Numbers are made into hidden-number addresses by a rule that can be read back; real ones are opaque. */
const lidPrefix = "9";
const lidDigits = 15;
const lidOf = (phone: string): string => lidPrefix + phone.padStart(lidDigits, "0");
const phoneOfLid = (lid: string): string => lid.slice(lidPrefix.length).replace(/^0+/, "");

function newAccount(phone: string): Account {
  const identity = newKeyPair();
  const keys = newKeyPair();
  return {
    phone,
    lid: lidOf(phone),
    identity,
    registrationId: randomInt(1, 16_380),
    rawId: randomBytes(4).readUInt32BE() >>> 1,
    signedPreKey: { id: 1, keys, signature: sign(identity.private, signalKey(keys.public)) },
    preKeys: new Map(),
    nextPreKeyId: 1,
    keyIndex: 0,
    nextDeviceId: 1,
    devices: new Map(),
    removedDevices: [],
    standing: Standing.parse({}),
    inbox: [],
    sent: new Map(),
    retriesAsked: 0,
  };
}

/** All accounts; asking for one that is not there makes it. */
export class Accounts {
  readonly #byPhone = new Map<string, Account>();

  of(phone: string): Account {
    const found = this.#byPhone.get(phone);
    if (found) return found;
    const made = newAccount(phone);
    this.#byPhone.set(phone, made);
    return made;
  }

  all(): Iterable<Account> {
    return this.#byPhone.values();
  }
}

/** Who an address names: user part, device part, and the account behind a hidden number. */
export interface Address {
  readonly phone: string;
  readonly device: number;
  readonly isLid: boolean;
}

const addressPattern = /^(\d+)(?:_\d+)?(?::(\d+))?@(s\.whatsapp\.net|lid|c\.us)$/;

export function parseAddress(jid: string | undefined): Address | undefined {
  const match = addressPattern.exec(jid ?? "");
  if (!match) return undefined;
  const [, user = "", device = "0", host] = match;
  const isLid = host === "lid";
  return { phone: isLid ? phoneOfLid(user) : user, device: Number(device), isLid };
}

export const phoneJid = (phone: string, device = 0): string =>
  `${phone}${device === 0 ? "" : `:${device}`}@s.whatsapp.net`;
export const lidJid = (phone: string, device = 0): string => `${lidOf(phone)}${device === 0 ? "" : `:${device}`}@lid`;
