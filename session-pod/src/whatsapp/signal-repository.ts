import "./quiet.ts";
import {
  addTransactionCapability,
  DEFAULT_CONNECTION_CONFIG,
  type SignalKeyStore,
  type SignalKeyStoreWithTransaction,
  type SocketConfig,
} from "@whiskeysockets/baileys";
import type { GenerationStore } from "../sessions/ports.ts";
import { inboxBox, type Hold, type InboxBox } from "./key-store.ts";
import type { Envelope, Envelopes } from "./stanzas.ts";

export interface RepositoryOptions {
  readonly keys: SignalKeyStore;
  readonly store: GenerationStore;
  readonly envelopes: Envelopes;
  readonly hold: Hold;
  readonly onReceived: (isRedelivery: boolean) => void;
  /** What of a decrypted message the library may have. */
  readonly forLibrary: (sender: string, plaintext: Uint8Array) => Uint8Array;
}

/** Nothing is retried: a commit that could not be made has ended the socket. */
export const transactionOpts = { maxCommitRetries: 1, delayBetweenTriesMs: 0 };

/** A message without content, padded: what keys-only ciphertexts of a known message decrypt to. */
const emptyPadded = new Uint8Array([1]);

/**
 * The library sends a frame inside the transaction that encrypted it, so its ratchet would be committed after. Here the Signal
 * part gets transactions of its own: a ratchet is committed before the frame exists, and a plaintext is in the inbox, in the
 * commit of its ratchet, before the receipt can leave.
 */
export function durableRepository(options: RepositoryOptions): SocketConfig["makeSignalRepository"] {
  return (auth, logger, pnToLid) => {
    const keys = addTransactionCapability(options.keys, logger, transactionOpts);
    const inner = DEFAULT_CONNECTION_CONFIG.makeSignalRepository({ creds: auth.creds, keys }, logger, pnToLid);
    return {
      ...inner,
      decryptMessage: async (request) => {
        const decryption = { ...options, keys, mutex: request.jid };
        const plaintext = await decryptOnce(decryption, request.ciphertext, async () => inner.decryptMessage(request));
        return options.forLibrary(request.jid, plaintext);
      },
      decryptGroupMessage: async (request) =>
        await decryptOnce({ ...options, keys, mutex: request.group }, request.msg, async () =>
          inner.decryptGroupMessage(request),
        ),
    };
  };
}

interface Decryption extends RepositoryOptions {
  readonly keys: SignalKeyStoreWithTransaction;
  /** The library's name for the lock; the same as it uses itself, so that ours takes its place. */
  readonly mutex: string;
}

async function decryptOnce(
  { keys, mutex, store, envelopes, hold, onReceived }: Decryption,
  ciphertext: Uint8Array,
  decrypt: () => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const envelope = envelopes.of(ciphertext);
  if (envelope === undefined) return await decrypt();
  const stored = await hold(store.readInbox(envelope.chat, envelope.sender, envelope.messageId));
  if (stored !== undefined) {
    if (envelope.isContent) onReceived(true);
    return envelope.isContent ? Buffer.concat([stored, emptyPadded]) : emptyPadded;
  }
  const box: InboxBox = { messages: [] };
  const padded = await inboxBox.run(box, async () =>
    keys.transaction(async () => {
      const plaintext = await decrypt();
      if (envelope.isContent) box.messages.push(inboxMessage(envelope, plaintext));
      return plaintext;
    }, mutex),
  );
  if (box.messages.length > 0) await hold(store.commit({ inbox: box.messages }));
  if (envelope.isContent) onReceived(false);
  return padded;
}

function inboxMessage({ isContent: _isContent, ...head }: Envelope, padded: Uint8Array) {
  const paddingBytes = padded.at(-1) ?? 0;
  return { ...head, plaintext: padded.subarray(0, padded.length - paddingBytes) };
}
