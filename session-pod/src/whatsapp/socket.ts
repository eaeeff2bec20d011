import "./quiet.ts";
import { setTimeout as sleep } from "node:timers/promises";
import { Boom } from "@hapi/boom";
import {
  makeWASocket,
  S_WHATSAPP_NET,
  type BinaryNode,
  type ConnectionState,
  type ReachoutTimelockState,
  type WASocket,
} from "@whiskeysockets/baileys";
import { SendError, type ClientEvent, type ClientSocket, type OpenRequest } from "../sessions/client.ts";
import { areMomentsHeard, tellMoment } from "../sessions/moments.ts";
import { chatOf } from "../session/address.ts";
import { newChatsRefused } from "../session/send-faults.ts";
import { FenceLostError, GenerationClosedError, type OutboxMessage } from "../sessions/ports.ts";
import {
  encodeCredentials,
  forgetOldHistory,
  hasLoggedIn,
  identityOf,
  isPaired,
  isSelf,
  type Credentials,
} from "./credentials.ts";
import { closedBy } from "./disconnect.ts";
import { FrameMeter } from "./frame-limit.ts";
import { mediaBaseOf } from "./history-blob.ts";
import { SessionHistory, type HistoryTurn } from "./history.ts";
import { holdUntilStored, keyStore, type Hold } from "./key-store.ts";
import { findRecipient } from "./recipient.ts";
import { personOf, type People } from "./resend.ts";
import { ackFault, faultOf } from "./send-fault.ts";
import { watchLinking } from "./linking.ts";
import { requestPairingCode } from "./pairing-code.ts";
import { answerQuestions } from "./questions.ts";
import { durableRepository } from "./signal-repository.ts";
import { socketConfig } from "./socket-config.ts";
import { Envelopes, outlineOf, type Envelope } from "./stanzas.ts";
import { Streams } from "./streams.ts";
import { isKept, missingIn, UnreadTraces } from "./unread.ts";

const askRestrictionEveryMs = 60_000;
/** The library's goodbye waits 30 s for a silent server. */
const goodbyeMs = 2_000;

/** One connection of the library, kept to our rules: nothing leaves before what it depends on is committed. */
export class WhatsAppSocket implements ClientSocket {
  readonly #request: OpenRequest;
  readonly #credentials: Credentials;
  readonly #streams = new Streams();
  readonly #hold: Hold;
  readonly #socket: WASocket;
  readonly #history: SessionHistory;
  readonly #unread: UnreadTraces;
  #restrictionAskedMs = -Infinity;
  #isOver = false;

  constructor(request: OpenRequest, credentials: Credentials, historyTurn: HistoryTurn) {
    this.#request = request;
    this.#credentials = credentials;
    this.#hold = holdUntilStored((error) => this.#lostStore(error));
    const keys = keyStore(request.store, this.#hold);
    const envelopes = new Envelopes();
    this.#history = new SessionHistory({
      turn: historyTurn,
      source: { mediaBase: mediaBaseOf(request.url), dispatcher: request.dialer.dispatcher },
      feed: async (message) => await this.#socket.upsertMessage(message, "append"),
      onBlob: (result) => this.#emit({ kind: "history", result }),
    });
    this.#unread = new UnreadTraces({
      store: request.store,
      hold: this.#hold,
      onUnread: (missing) => this.#emit({ kind: "unread", missing }),
    });
    const makeSignalRepository = durableRepository({
      keys,
      store: request.store,
      envelopes,
      hold: this.#hold,
      onReceived: (isRedelivery) => this.#emit({ kind: "received", isRedelivery }),
      unread: this.#unread,
      forLibrary: (sender, plaintext) =>
        isSelf(this.#credentials, sender) ? this.#history.withoutBlob(plaintext) : plaintext,
    });
    const { creds, browser } = credentials;
    const people: People = {
      personOf: async (jid) => await personOf(jid, this.#socket.signalRepository.lidMapping),
      isSelf: (jid) => isSelf(credentials, jid),
    };
    const wiring = { auth: { creds, keys }, makeSignalRepository, browser, streams: this.#streams, people };
    this.#socket = makeWASocket(socketConfig(request, wiring));
    forgetMessages(this.#socket);
    this.#commitNewPreKeysFirst(keys.set);
    this.#listen(envelopes);
  }

  async requestPairingCode(phoneNumber: string): Promise<string> {
    return await requestPairingCode(this.#socket, this.#credentials, phoneNumber);
  }

  async send(message: OutboxMessage): Promise<void> {
    const { messageId, text } = message;
    try {
      const to = await findRecipient(this.#socket, this.#credentials, message.to);
      if (to !== chatOf(message.to)) await this.#readdress({ ...message, to });
      await this.#socket.relayMessage(to, { conversation: text }, { messageId });
    } catch (error) {
      throw error instanceof SendError ? error : new SendError(faultOf(error), { cause: error });
    }
  }

  /** Stored before it leaves: whoever gets it may ask for it again. */
  async #readdress(message: OutboxMessage): Promise<void> {
    await this.#hold(this.#request.store.commit({ readdressed: [message] }));
    this.#emit({ kind: "readdressed", messageId: message.messageId });
  }

  async logOut(): Promise<void> {
    const jid = this.#credentials.creds.me?.id ?? "";
    await this.#socket.query({
      tag: "iq",
      attrs: { to: S_WHATSAPP_NET, type: "set", xmlns: "md" },
      content: [{ tag: "remove-companion-device", attrs: { jid, reason: "user_initiated" } }],
    });
  }

  async close(): Promise<void> {
    this.#isOver = true;
    this.#history.end();
    const ended = this.#socket.end(new Boom("Stopped")).catch(() => undefined);
    await Promise.race([ended, sleep(goodbyeMs, undefined, { ref: false })]);
    this.terminate();
  }

  terminate(): void {
    this.#isOver = true;
    this.#history.end();
    this.#streams.cut();
    void this.#socket.end(new Boom("Terminated")).catch(() => undefined);
  }

  #emit(event: ClientEvent): void {
    if (!this.#isOver) this.#request.onEvent(event);
  }

  #listen(envelopes: Envelopes): void {
    const { ev, ws } = this.#socket;
    ev.on("creds.update", () => this.#saveCredentials());
    ev.on("connection.update", (update) => this.#changed(update));
    if (areMomentsHeard())
      ws.on("frame", (frame: BinaryNode | Uint8Array) => {
        if (!(frame instanceof Uint8Array)) tellMoment(() => ({ kind: "heard", ...outlineOf(frame) }));
      });
    ws.prependListener("CB:message", (stanza: BinaryNode) => this.#arrived(stanza, envelopes.remember(stanza)));
    const meter = new FrameMeter();
    ws.prependListener("message", (piece: Uint8Array) => meter.take(piece));
    answerQuestions(this.#socket);
    watchLinking(this.#socket, {
      isUnlinked: () => !isPaired(this.#credentials),
      onStage: (stage) => this.#emit({ kind: "linkStage", stage }),
    });
    ws.on("CB:success", () => this.#accepted());
    ws.on("CB:ack,class:message", ({ attrs }: BinaryNode) => this.#acknowledged(attrs));
    ws.on("unexpected-response", (_request: unknown, response: { statusCode?: number; resume(): void }) => {
      response.resume();
      this.#refusedUpgrade(response.statusCode ?? 0);
    });
  }

  /** Kept, since nothing else tells later whether the phone's user has to act when a login is refused. */
  #accepted(): void {
    this.#emit({ kind: "accepted" });
    if (hasLoggedIn(this.#credentials) || this.#isOver) return;
    this.#credentials.hasLoggedIn = true;
    // Nothing that leaves depends on it, so nothing is held back for it.
    void this.#hold(this.#request.store.commit({ creds: encodeCredentials(this.#credentials) }));
  }

  /** The library itself ignores a refused upgrade and would wait for ever. */
  #refusedUpgrade(upgradeStatus: number): void {
    const message = `the upgrade was answered with HTTP ${upgradeStatus}`;
    void this.#socket.end(new Boom(message, { data: { upgradeStatus } }));
  }

  /** The library acknowledges at once what it does not even try to decrypt; a kill before the trace is stored costs the trace. */
  #arrived(stanza: BinaryNode, envelope: Envelope): void {
    const missing = missingIn(stanza);
    if (missing === undefined || this.#isOver) return;
    if (!isKept(envelope)) return this.#emit({ kind: "unread", missing });
    void this.#unread.leave(envelope, missing);
  }

  #acknowledged(attrs: BinaryNode["attrs"]): void {
    const messageId = attrs["id"] ?? "";
    const fault = ackFault(attrs["error"]);
    this.#emit({ kind: "acknowledged", messageId, ...(fault && { fault }) });
    if (fault?.code === newChatsRefused) this.#newChatRefused();
  }

  /** The server does not say for how long, nor whether it is this contact alone; so it is asked, once in a while. */
  #newChatRefused(): void {
    this.#emit({ kind: "restricted", as: "NewChatsRefused" });
    if (performance.now() - this.#restrictionAskedMs < askRestrictionEveryMs) return;
    this.#restrictionAskedMs = performance.now();
    // Its answer comes as an update; without one, what is known stays.
    void this.#socket.fetchAccountReachoutTimelock().catch(() => undefined);
  }

  #changed(update: Partial<ConnectionState>): void {
    const identity = identityOf(this.#credentials);
    if (update.qr !== undefined) this.#emit({ kind: "qr", code: update.qr });
    if (update.isNewLogin === true && identity !== undefined) this.#emit({ kind: "paired", identity });
    if (update.connection === "open" && identity !== undefined) this.#emit({ kind: "open", identity });
    if (update.reachoutTimeLock !== undefined) this.#emit(restrictionIn(update.reachoutTimeLock));
    if (update.connection === "close") this.#history.end();
    if (update.connection === "close") this.#emit(closedBy(update.lastDisconnect?.error, this.#request.isProxied));
  }

  /**
   * The library tells of new credentials and goes on at once. Until they are committed nothing more leaves the machine: a phone
   * that believes in a device whose credentials were lost asks for no second QR. Before the phone's signature there is nothing
   * worth keeping: a half-made pairing would be refused as logged out after a restart.
   */
  #saveCredentials(): void {
    forgetOldHistory(this.#credentials);
    if (!isPaired(this.#credentials) || this.#isOver) return;
    const release = this.#streams.holdBack();
    const committed = this.#hold(this.#request.store.commit({ creds: encodeCredentials(this.#credentials) }));
    void committed.then(() => {
      release();
      tellMoment(() => ({ kind: "released" }));
    });
  }

  /** For a retry receipt the library makes a prekey and sends its public half before the transaction's end. */
  #commitNewPreKeysFirst(commit: WASocket["authState"]["keys"]["set"]): void {
    const { keys } = this.#socket.authState;
    const set = keys.set.bind(keys);
    keys.set = async (data) => {
      const made = Object.entries(data["pre-key"] ?? {}).filter(([, key]) => key !== null);
      if (made.length > 0) await commit({ "pre-key": Object.fromEntries(made) });
      await set(data);
    };
  }

  /** Ends without a word to the server: whatever it is not told, it delivers again. */
  #lostStore(error: unknown): void {
    if (error instanceof FenceLostError) this.#emit({ kind: "fenceLost" });
    else if (!(error instanceof GenerationClosedError))
      this.#emit({ kind: "closed", disconnect: { message: "the store refused a commit" } });
    this.terminate();
  }
}

/**
 * The library keeps what came and went, by chat and id, and sends it again to whoever asks: a member's message to a group would
 * go out in our name. The outbox alone says what we sent.
 */
function forgetMessages({ messageRetryManager }: WASocket): void {
  if (messageRetryManager === null) return;
  messageRetryManager.addRecentMessage = () => undefined;
}

/** The library's word for what WhatsApp announces; it makes no date of an end that is none. */
function restrictionIn({ isActive, timeEnforcementEnds }: ReachoutTimelockState): ClientEvent {
  if (isActive !== true) return { kind: "unrestricted" };
  const untilMs = timeEnforcementEnds?.getTime();
  return { kind: "restricted", as: "ReachoutTimelock", ...(untilMs !== undefined && { untilMs }) };
}
