import "../wire/quiet.ts";
import { ProtocolAddress, SessionBuilder, SessionCipher, type SessionRecord, type SignalStorage } from "libsignal";
import { newKeyPair, signalKey } from "../wire/curve.ts";
import type { Account, PublicPreKey } from "../server/world.ts";
import type { SignedPreKey } from "../wire/payloads.ts";

/** The far end's bundle, as a key query would answer it. */
export interface Bundle {
  readonly registrationId: number;
  readonly identity: Buffer;
  readonly signedPreKey: SignedPreKey;
  readonly preKey?: PublicPreKey;
}

export interface Ciphertext {
  readonly type: "pkmsg" | "msg";
  readonly bytes: Buffer;
}

/** The Signal side of an account's phone (device 0): one session for each far device, kept in memory. */
export class Ratchet {
  readonly #account: Account;
  readonly #sessions = new Map<string, SessionRecord>();
  readonly #storage: SignalStorage;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(account: Account) {
    this.#account = account;
    const pair = (keys: { public: Buffer; private: Buffer }) => ({
      pubKey: signalKey(keys.public),
      privKey: keys.private,
    });
    this.#storage = {
      loadSession: async (id) => this.#sessions.get(id),
      storeSession: async (id, session) => void this.#sessions.set(id, session),
      isTrustedIdentity: () => true,
      loadPreKey: async (id) => {
        const found = account.preKeys.get(Number(id));
        return found === undefined ? undefined : pair(found);
      },
      removePreKey: (id) => void account.preKeys.delete(id),
      loadSignedPreKey: () => pair(account.signedPreKey.keys),
      getOurRegistrationId: () => account.registrationId,
      getOurIdentity: () => pair(account.identity),
    };
  }

  /** Runs one sender's work after another's: two first messages at once would start two sessions. */
  async exclusively<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work);
    this.#turn = mine.catch(() => undefined);
    return await mine;
  }

  /** The phone lost its memory of all sessions, as after a new installation. */
  forgetAll(): void {
    this.#sessions.clear();
  }

  /** A fresh one-time key of this phone, for a client that asks for its bundle. */
  newPreKey(): PublicPreKey {
    const keys = newKeyPair();
    const id = this.#account.nextPreKeyId++;
    this.#account.preKeys.set(id, keys);
    return { id, public: keys.public };
  }

  hasSession(address: string): boolean {
    return this.#sessions.get(toAddress(address).toString())?.haveOpenSession() === true;
  }

  forget(address: string): void {
    this.#sessions.delete(toAddress(address).toString());
  }

  async startSession(address: string, bundle: Bundle): Promise<void> {
    const { signedPreKey, preKey } = bundle;
    const session = {
      registrationId: bundle.registrationId,
      identityKey: signalKey(bundle.identity),
      signedPreKey: {
        keyId: signedPreKey.id,
        publicKey: signalKey(signedPreKey.public),
        signature: signedPreKey.signature,
      },
      ...(preKey && { preKey: { keyId: preKey.id, publicKey: signalKey(preKey.public) } }),
    };
    // libsignal's declaration demands a one-time key; its code and the protocol (X3DH, 2.4) do without one.
    await Reflect.apply(SessionBuilder.prototype.initOutgoing, new SessionBuilder(this.#storage, toAddress(address)), [
      session,
    ]);
  }

  async encrypt(address: string, plain: Uint8Array): Promise<Ciphertext> {
    const { type, body } = await new SessionCipher(this.#storage, toAddress(address)).encrypt(Buffer.from(plain));
    return { type: type === 3 ? "pkmsg" : "msg", bytes: Buffer.from(body, "binary") };
  }

  async decrypt(address: string, message: Ciphertext): Promise<Buffer> {
    const cipher = new SessionCipher(this.#storage, toAddress(address));
    return message.type === "pkmsg"
      ? await cipher.decryptPreKeyWhisperMessage(message.bytes)
      : await cipher.decryptWhisperMessage(message.bytes);
  }
}

/** `phone:device`, the name a far device has in a peer's memory whatever address it used on the wire. */
function toAddress(name: string): ProtocolAddress {
  const [phone = "", device = "0"] = name.split(":");
  return new ProtocolAddress(phone, Number(device));
}
