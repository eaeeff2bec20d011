import type { BinaryNode } from "@whiskeysockets/baileys";
import type { GenerationStore, Missing, UnreadMessage } from "../sessions/ports.ts";
import type { Hold } from "./key-store.ts";
import type { Envelope } from "./stanzas.ts";

/** The library's own bound, after which it asks no more. */
const mostRetries = 5;
/** Messages whose failures are remembered. */
const mostRemembered = 1_000;
/** The library's words for a message whose key was used; it asks for no other copy. */
const usedKey = "Key used already or never filled";

export interface UnreadOptions {
  readonly store: Pick<GenerationStore, "commit" | "readInbox">;
  readonly hold: Hold;
  readonly onUnread: (missing: Missing) => void;
}

/** What cannot be read leaves a count, and a row in the inbox that a later good copy takes the place of. */
export class UnreadTraces {
  readonly #options: UnreadOptions;
  readonly #failures = new Map<string, number>();

  constructor(options: UnreadOptions) {
    this.#options = options;
  }

  /** A ciphertext that does not decrypt. Resolves when its trace is stored. */
  async undecryptable(envelope: Envelope, error: unknown): Promise<void> {
    const isAskedFor = !envelope.isPeer && !(error instanceof Error && error.message === usedKey);
    const failures = this.#failed(envelope);
    await this.leave(envelope, isAskedFor && failures <= mostRetries ? "AskedAgain" : "GivenUp");
  }

  /** Resolves when it is stored. The own phone's notes to its devices are no messages. */
  async leave(envelope: Envelope, missing: Missing): Promise<void> {
    const { store, hold, onUnread } = this.#options;
    onUnread(missing);
    if (envelope.isPeer) return;
    const { chat, sender, messageId, timestampMs, chatAlias, senderAlias } = envelope;
    const message: UnreadMessage = { chat, sender, messageId, timestampMs, chatAlias, senderAlias, missing };
    if ((await hold(store.readInbox(chat, sender, messageId))) === undefined)
      await hold(store.commit({ unread: [message] }));
  }

  #failed({ chat, sender, messageId }: Envelope): number {
    const key = JSON.stringify([chat, sender, messageId]);
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.delete(key);
    this.#failures.set(key, failures);
    const [oldest] = this.#failures.keys();
    if (this.#failures.size > mostRemembered && oldest !== undefined) this.#failures.delete(oldest);
    return failures;
  }
}

const readable: ReadonlySet<string> = new Set(["pkmsg", "msg", "skmsg"]);

/**
 * Why nobody will try to decrypt a stanza's content; undefined: somebody will. `Unavailable`: the server has none for linked
 * devices, as of view-once messages. `NotSupported`: bots' answers, and what is not encrypted or in a way that is not known.
 */
export function missingIn({ content }: BinaryNode): Exclude<Missing, "AskedAgain" | "GivenUp"> | undefined {
  const children = Array.isArray(content) ? content : [];
  const last = children.findLast(({ tag }) => tag === "enc" || tag === "plaintext");
  if (last === undefined || !(last.content instanceof Uint8Array)) return "Unavailable";
  return last.tag === "enc" && readable.has(last.attrs["type"] ?? "") ? undefined : "NotSupported";
}

/** Posts of channels are counted and not kept: they come to everybody, unencrypted, and in any number. */
export const isKept = ({ chat }: Pick<Envelope, "chat">): boolean => !chat.endsWith("@newsletter");
