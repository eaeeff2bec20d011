import "./quiet.ts";
import { AsyncLocalStorage } from "node:async_hooks";
import {
  addTransactionCapability,
  DEFAULT_CONNECTION_CONFIG,
  type SignalKeyStore,
  type SignalKeyStoreWithTransaction,
  type SocketConfig,
} from "@whiskeysockets/baileys";
import type { GenerationStore } from "../sessions/ports.ts";
import { otherAddress, pairIdOf, pairType } from "./aliases.ts";
import { decodable, emptyPadded } from "./decodable.ts";
import { inboxBox, type Hold, type InboxBox } from "./key-store.ts";
import type { Envelope, Envelopes } from "./stanzas.ts";
import { withoutFailedTries } from "./tried-sessions.ts";
import type { UnreadTraces } from "./unread.ts";

export interface RepositoryOptions {
  readonly keys: SignalKeyStore;
  readonly store: GenerationStore;
  readonly envelopes: Envelopes;
  readonly hold: Hold;
  readonly onReceived: (isRedelivery: boolean) => void;
  readonly unread: UnreadTraces;
  /** What of a decrypted message the library may have. */
  readonly forLibrary: (sender: string, plaintext: Uint8Array) => Uint8Array;
}

/** Nothing is retried: a commit that could not be made has ended the socket. */
export const transactionOpts = { maxCommitRetries: 1, delayBetweenTriesMs: 0 };

/**
 * The library sends a frame inside the transaction that encrypted it, so its ratchet would be committed after. Here the Signal
 * part gets transactions of its own: a ratchet is committed before the frame exists, and a plaintext is in the inbox, in the
 * commit of its ratchet, before the receipt can leave.
 */
export function durableRepository(options: RepositoryOptions): SocketConfig["makeSignalRepository"] {
  return (auth, logger, pnToLid) => {
    const keys = sparingTried(oneAtATime(addTransactionCapability(options.keys, logger, transactionOpts)));
    const inner = DEFAULT_CONNECTION_CONFIG.makeSignalRepository({ creds: auth.creds, keys }, logger, pnToLid);
    return {
      ...inner,
      decryptMessage: async (request) => {
        const decrypt = async () => trying.run(request.type === "msg", async () => inner.decryptMessage(request));
        return options.forLibrary(request.jid, await decryptOnce({ ...options, keys }, request.ciphertext, decrypt));
      },
      decryptGroupMessage: async (request) =>
        await decryptOnce({ ...options, keys }, request.msg, async () => inner.decryptGroupMessage(request)),
    };
  };
}

/** No name of a type of values: the library locks those by their names. */
const ratchets = "ratchets";
/** The library's own lock for the pairs of addresses; whoever turns a ratchet may wait for a pair that somebody else stores. */
const addressPairs = "lid-mapping";

/**
 * The library locks a ratchet by the address that a message is from or to. A contact has two addresses and one ratchet: a text
 * that arrives and one that leaves would both turn it from where it was, and whichever is committed last undoes the other.
 */
function oneAtATime(keys: SignalKeyStoreWithTransaction): SignalKeyStoreWithTransaction {
  return {
    ...keys,
    transaction: async (work, lock) => await keys.transaction(work, lock === addressPairs ? lock : ratchets),
  };
}

/** True while a message is tried on the sessions of its sender; a `pkmsg` names its session. */
const trying = new AsyncLocalStorage<boolean>();

function sparingTried(keys: SignalKeyStoreWithTransaction): SignalKeyStoreWithTransaction {
  return {
    ...keys,
    set: async (data) => {
      if (trying.getStore() !== true || data.session === undefined) return await keys.set(data);
      const before = await keys.get("session", Object.keys(data.session));
      const session = { ...data.session };
      for (const [address, after] of Object.entries(data.session))
        Object.assign(session, { [address]: withoutFailedTries(before[address], after) });
      await keys.set({ ...data, session });
    },
  };
}

interface Decryption extends RepositoryOptions {
  readonly keys: SignalKeyStoreWithTransaction;
}

async function decryptOnce(
  { keys, store, envelopes, hold, onReceived, unread }: Decryption,
  ciphertext: Uint8Array,
  decrypt: () => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const remembered = envelopes.of(ciphertext);
  if (remembered === undefined) return await decrypt();
  const envelope = await withStoredAliases(remembered, keys);
  const stored = await hold(store.readInbox(envelope.chat, envelope.sender, envelope.messageId));
  if (stored !== undefined) {
    if (envelope.isContent) onReceived(true);
    // A ciphertext of a known message that carries keys alone decrypts to nothing.
    return envelope.isContent ? decodable(Buffer.concat([stored, emptyPadded])) : emptyPadded;
  }
  const box: InboxBox = { messages: [] };
  const padded = await inboxBox
    .run(box, async () =>
      keys.transaction(async () => {
        const plaintext = await decrypt();
        if (envelope.isContent) box.messages.push(inboxMessage(envelope, plaintext));
        return plaintext;
      }, ratchets),
    )
    .catch(async (error: unknown) => {
      if (envelope.isContent) await unread.undecryptable(envelope, error);
      throw error;
    });
  if (box.messages.length > 0) await hold(store.commit({ inbox: box.messages }));
  if (envelope.isContent) onReceived(false);
  return envelope.isContent ? decodable(padded) : padded;
}

/** What the stanza does not say of its addresses, an earlier one may have said. */
async function withStoredAliases(envelope: Envelope, keys: Pick<SignalKeyStore, "get">): Promise<Envelope> {
  const chatAlias = envelope.chatAlias ?? (await storedAlias(envelope.chat, keys));
  const isSame = envelope.sender === envelope.chat;
  const senderAlias = envelope.senderAlias ?? (isSame ? chatAlias : await storedAlias(envelope.sender, keys));
  return { ...envelope, chatAlias, senderAlias };
}

async function storedAlias(jid: string, keys: Pick<SignalKeyStore, "get">): Promise<string | undefined> {
  const id = pairIdOf(jid);
  return id === undefined ? undefined : otherAddress(jid, (await keys.get(pairType, [id]))[id]);
}

function inboxMessage({ isContent: _isContent, isPeer: _isPeer, ...head }: Envelope, padded: Uint8Array) {
  const paddingBytes = padded.at(-1) ?? 0;
  return { ...head, plaintext: padded.subarray(0, Math.max(0, padded.length - paddingBytes)) };
}
