import "./quiet.ts";
import { Agent } from "node:http";
import type { Agent as HttpsAgent } from "node:https";
import { proto, type UserFacingSocketConfig, type WAMessageKey, type WAVersion } from "@whiskeysockets/baileys";
import type { Browser, OpenRequest } from "../sessions/client.ts";
import type { Dialer } from "../sessions/ports.ts";
import { historyCapBytes } from "./history-blob.ts";
import { quietLogger } from "./quiet.ts";
import { wasSentTo, type People } from "./resend.ts";
import { transactionOpts } from "./signal-repository.ts";
import type { Streams } from "./streams.ts";

export interface Wiring {
  readonly auth: UserFacingSocketConfig["auth"];
  readonly makeSignalRepository: NonNullable<UserFacingSocketConfig["makeSignalRepository"]>;
  readonly browser: Browser;
  readonly streams: Streams;
  readonly people: People;
}

/** Every setting of the library that we do not leave to chance. */
export function socketConfig(request: OpenRequest, wiring: Wiring): UserFacingSocketConfig {
  const { os, name, version } = wiring.browser;
  return {
    auth: wiring.auth,
    makeSignalRepository: wiring.makeSignalRepository,
    transactionOpts,
    logger: quietLogger,
    waWebSocketUrl: request.url,
    version: parseVersion(request.version),
    browser: [os, name, version],
    connectTimeoutMs: request.connectTimeoutMs,
    keepAliveIntervalMs: request.keepAliveIntervalMs,
    defaultQueryTimeoutMs: request.queryTimeoutMs,
    ...waysOut(request.dialer, wiring.streams),
    markOnlineOnConnect: false,
    emitOwnEvents: false,
    syncFullHistory: false,
    shouldSyncHistoryMessage,
    getMessage: async (asked) => await sentMessage(request, asked, wiring.people),
  };
}

/** The three ways of the library to the network: its socket, uploads, and downloads. */
function waysOut(dialer: Dialer, streams: Streams): Pick<UserFacingSocketConfig, "agent" | "fetchAgent" | "options"> {
  const agent = dialer.webSocketAgent((stream) => streams.add(stream));
  if (!isLibraryAgent(agent)) throw new Error("the dialer's agent is no agent of Node's");
  const options: RequestInit = {};
  // The dispatcher is of another release of undici than Node's types; the dialer answers for that it fits.
  Object.assign(options, { dispatcher: dialer.dispatcher });
  return { agent, fetchAgent: dialer.fetchAgent, options };
}

/** The library's type asks for a TLS agent; it hands what it gets to `ws`, which takes both. */
const isLibraryAgent = (agent: Agent): agent is HttpsAgent => agent instanceof Agent;

/** Not all kinds are refused: the addresses of contacts come this way. Files are downloaded by {@link SessionHistory} alone. */
export function shouldSyncHistoryMessage(notice: proto.Message.IHistorySyncNotification): boolean {
  const isFull = notice.syncType === proto.HistorySync.HistorySyncType.FULL;
  const isFile = (notice.directPath ?? "") !== "";
  return !isFull && !isFile && Number(String(notice.fileLength ?? 0)) <= historyCapBytes;
}

/** Asked when a recipient could not decrypt and wants a message again, perhaps after a restart. */
async function sentMessage(
  { store }: OpenRequest,
  asked: WAMessageKey,
  people: People,
): Promise<proto.IMessage | undefined> {
  const sent = await store.readOutbox(asked.id ?? "");
  const isAnswered = sent !== undefined && (await wasSentTo(asked, sent, people));
  return isAnswered ? { conversation: sent.text } : undefined;
}

/** @param version three numbers joined by dots */
export function parseVersion(version: string): WAVersion {
  const [primary, secondary, tertiary, ...rest] = version.split(".").map(Number);
  if (!isCount(primary) || !isCount(secondary) || !isCount(tertiary) || rest.length > 0)
    throw new Error(`client version ${JSON.stringify(version)}: expected three numbers such as 2.3000.1043857760`);
  return [primary, secondary, tertiary];
}

const isCount = (value: number | undefined): value is number => Number.isInteger(value) && Number(value) >= 0;
