import "./quiet.ts";
import { deflateSync } from "node:zlib";
import { getHistoryMsg, proto, type WAMessage } from "@whiskeysockets/baileys";
import { readBlob, type BlobSource, type HistoryNotice } from "./history-blob.ts";
import { HistoryRefused, reduceHistory } from "./history-wire.ts";
import type { HistoryResult } from "../sessions/client.ts";
import { shouldSyncHistoryMessage } from "./socket-config.ts";

/** A blob that takes longer, its download or the storing of its numbers, is given up. */
const blobWithinMs = 15_000;
/** Blobs of one session that may wait, and bytes in their messages. */
const mostWaiting = 32;
const mostWaitingBytes = 4 * 1024 * 1024;

/** One blob at a time in a process; sessions take turns, for each has one blob in the queue at most. */
export class HistoryTurn {
  #last: Promise<void> = Promise.resolve();

  async take(work: () => Promise<void>): Promise<void> {
    const mine = this.#last.then(work);
    this.#last = mine.catch(() => undefined);
    await mine;
  }
}

export interface SessionHistoryOptions {
  readonly turn: HistoryTurn;
  readonly source: BlobSource;
  /** Gives the library a message as if it had come from the own phone. */
  readonly feed: (message: WAMessage) => Promise<void>;
  readonly onBlob: (result: HistoryResult) => void;
}

/**
 * History of one socket. The library would hold up the session's messages while it downloads a blob, take it whole whatever it
 * inflates to, and decode all of it. So it gets each notice with an empty blob, and later what a session needs of the real one.
 */
export class SessionHistory {
  readonly #options: SessionHistoryOptions;
  readonly #waiting: HistoryNotice[] = [];
  readonly #ended = new AbortController();
  #waitingBytes = 0;
  #isWorking = false;

  constructor(options: SessionHistoryOptions) {
    this.#options = options;
  }

  /** A message of the own phone, padded, as the library may have it. */
  withoutBlob(plaintext: Uint8Array): Uint8Array {
    const paddingBytes = plaintext.at(-1) ?? 0;
    const message = decoded(plaintext.subarray(0, plaintext.length - paddingBytes));
    const notice = message && getHistoryMsg(message.deviceSentMessage?.message ?? message);
    if (!message || !isPresent(notice) || !isWanted(notice)) return plaintext;
    this.#queue({ ...notice });
    Object.assign(notice, {
      ...nothing,
      initialHistBootstrapInlinePayload: emptyBlob(notice),
    });
    return Buffer.concat([proto.Message.encode(message).finish(), plaintext.subarray(plaintext.length - paddingBytes)]);
  }

  /** What waits is dropped. */
  end(): void {
    this.#waiting.length = 0;
    this.#ended.abort();
  }

  #queue(notice: HistoryNotice): void {
    const bytes = inlineBytes(notice);
    const isFull = this.#waiting.length >= mostWaiting || this.#waitingBytes + bytes > mostWaitingBytes;
    if (isFull || this.#ended.signal.aborted) return this.#options.onBlob("Dropped");
    this.#waiting.push(notice);
    this.#waitingBytes += bytes;
    if (!this.#isWorking) void this.#work();
  }

  async #work(): Promise<void> {
    this.#isWorking = true;
    for (let notice = this.#waiting.shift(); notice !== undefined; notice = this.#waiting.shift()) {
      this.#waitingBytes -= inlineBytes(notice);
      await this.#options.turn.take(async () => this.#options.onBlob(await this.#read(notice)));
    }
    this.#isWorking = false;
  }

  async #read(notice: HistoryNotice): Promise<HistoryResult> {
    const signal = AbortSignal.any([this.#ended.signal, AbortSignal.timeout(blobWithinMs)]);
    try {
      await Promise.race([this.#pass(notice, signal), aborted(signal)]);
      return "Read";
    } catch (error) {
      return error instanceof HistoryRefused || isTooLong(error) ? "Refused" : "Failed";
    }
  }

  async #pass(notice: HistoryNotice, signal: AbortSignal): Promise<void> {
    const reduced = reduceHistory(await readBlob(notice, this.#options.source, signal));
    if (signal.aborted) return;
    const historySyncNotification = {
      syncType: proto.Message.HistorySyncType.ON_DEMAND,
      initialHistBootstrapInlinePayload: deflateSync(reduced),
    };
    const type = proto.Message.ProtocolMessage.Type.HISTORY_SYNC_NOTIFICATION;
    // The library remembers every notice of another kind in the credentials; this one it has remembered already.
    const message = { protocolMessage: { type, historySyncNotification } };
    await this.#options.feed({ key: { fromMe: true, remoteJid: "status@broadcast", id: "history" }, message });
  }
}

const isPresent = <T>(value: T | null | undefined): value is T => value !== null && value !== undefined;

const isWanted = (notice: HistoryNotice): boolean => shouldSyncHistoryMessage({ ...notice, directPath: null });

const nothing = { directPath: null, mediaKey: null };

const emptyBlob = ({ syncType }: HistoryNotice): Uint8Array =>
  deflateSync(proto.HistorySync.encode(proto.HistorySync.fromObject({ syncType: syncType ?? 0 })).finish());

const inlineBytes = ({ initialHistBootstrapInlinePayload }: HistoryNotice): number =>
  initialHistBootstrapInlinePayload?.length ?? 0;

function decoded(message: Uint8Array): proto.Message | undefined {
  try {
    return proto.Message.decode(message);
  } catch {
    return undefined; // the library will say so
  }
}

const isTooLong = (error: unknown): boolean =>
  error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE";

async function aborted(signal: AbortSignal): Promise<never> {
  return await new Promise((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(new Error("given up")), { once: true });
  });
}
