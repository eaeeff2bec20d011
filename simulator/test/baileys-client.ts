import "../src/wire/quiet.ts";
import {
  BufferJSON,
  initAuthCreds,
  makeWASocket,
  proto,
  WA_CERT_DETAILS,
  type AuthenticationCreds,
  type ConnectionState,
  type SignalDataTypeMap,
  type UserFacingSocketConfig,
  type WASocket,
} from "@whiskeysockets/baileys";
import { pino } from "pino";
import type { Simulator } from "../src/index.ts";

/** Everything a Baileys device remembers, in memory; survives its sockets. */
export interface Memory {
  readonly creds: AuthenticationCreds;
  readonly keys: Map<string, unknown>;
}

export const newMemory = (): Memory => ({ creds: initAuthCreds(), keys: new Map() });

export interface End {
  readonly code: number | undefined;
  readonly message: string;
  readonly data: unknown;
}

export interface ReceivedText {
  readonly id: string;
  readonly from: string;
  readonly text: string;
}

/** One socket of the unmodified client, with what it has reported so far. */
export class BaileysClient implements AsyncDisposable {
  readonly memory: Memory;
  readonly socket: WASocket;
  readonly qrs: string[] = [];
  readonly texts: ReceivedText[] = [];
  readonly updates: { readonly id: string; readonly status: number | null | undefined; readonly stub: unknown }[] = [];
  isOpen = false;
  hasOffline = false;
  end: End | undefined;

  constructor(url: string, memory: Memory, config: Partial<UserFacingSocketConfig> = {}) {
    this.memory = memory;
    this.socket = makeWASocket({
      waWebSocketUrl: url,
      auth: { creds: memory.creds, keys: keysIn(memory) },
      logger: pino({ level: process.env["BAILEYS_LOG"] ?? "silent" }),
      shouldSyncHistoryMessage: () => false,
      getMessage: async () => undefined,
      markOnlineOnConnect: false,
      ...config,
    });
    this.socket.ev.on("creds.update", (update) => void Object.assign(memory.creds, update));
    this.socket.ev.on("connection.update", (update) => this.#changed(update));
    this.socket.ev.on("messages.upsert", ({ messages }) => {
      for (const { key, message } of messages) {
        const text = message?.conversation ?? message?.extendedTextMessage?.text;
        if (typeof text === "string" && key.fromMe !== true)
          this.texts.push({ id: key.id ?? "", from: key.remoteJid ?? "", text });
      }
    });
    this.socket.ev.on("messages.update", (updates) => {
      for (const { key, update } of updates)
        this.updates.push({ id: key.id ?? "", status: update.status, stub: update.messageStubParameters });
    });
  }

  #changed(update: Partial<ConnectionState>): void {
    if (update.qr !== undefined) this.qrs.push(update.qr);
    this.hasOffline ||= update.receivedPendingNotifications === true;
    if (update.connection !== undefined) this.isOpen = update.connection === "open";
    if (update.connection === "close") this.end = endBy(update.lastDisconnect?.error);
  }

  /** The first QR text. */
  async qr(): Promise<string> {
    await until("a QR code", () => this.qrs.length > 0);
    return this.qrs[0] ?? "";
  }

  async opened(): Promise<void> {
    await until("open", () => this.isOpen);
  }

  /** Why and how the socket ended. */
  async ended(withinMs?: number): Promise<End> {
    await until("the socket's end", () => this.end !== undefined, withinMs);
    return this.end ?? { code: undefined, message: "", data: undefined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // An error is needed for the socket to tell its listeners; the text is ours.
    await this.socket.end(new Error("the test is over"));
  }
}

/** The error that the library reports, taken apart: usually a Boom, which carries a status and data. */
function endBy(error: Error | undefined): End {
  const code = field(field(error, "output"), "statusCode");
  return {
    code: typeof code === "number" ? code : undefined,
    message: error?.message ?? "",
    data: field(error, "data"),
  };
}

const field = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;

function keysIn(memory: Memory): UserFacingSocketConfig["auth"]["keys"] {
  return {
    get: async <T extends keyof SignalDataTypeMap>(type: T, ids: string[]) => {
      const found: { [id: string]: SignalDataTypeMap[T] } = {};
      for (const id of ids) {
        const text = memory.keys.get(`${type} ${id}`);
        if (typeof text !== "string") continue;
        const value = JSON.parse(text, BufferJSON.reviver);
        found[id] = type === "app-state-sync-key" ? proto.Message.AppStateSyncKeyData.fromObject(value) : value;
      }
      return found;
    },
    set: async (data) => {
      for (const [type, entries] of Object.entries(data))
        for (const [id, value] of Object.entries(entries ?? {}))
          if (value === null || value === undefined) memory.keys.delete(`${type} ${id}`);
          else memory.keys.set(`${type} ${id}`, JSON.stringify(value, BufferJSON.replacer));
    },
  };
}

/** What the client must believe in place of WhatsApp's own root. */
export function trustRoot(rootKeyHex: string): void {
  WA_CERT_DETAILS.PUBLIC_KEY = Buffer.from(rootKeyHex, "hex");
}

/** A device linked to the account by QR, logged in again after the restart that the server asks for. */
export async function linkedDevice(
  simulator: Simulator,
  phone: string,
  config?: Partial<UserFacingSocketConfig>,
): Promise<BaileysClient> {
  trustRoot(simulator.rootKeyHex);
  const memory = newMemory();
  const pairing = new BaileysClient(simulator.url, memory, config);
  await simulator.client.scan(phone, await pairing.qr());
  const { code } = await pairing.ended();
  if (code !== 515) throw new Error(`pairing ended with ${code}, expected 515`);
  const client = new BaileysClient(simulator.url, memory, config);
  await client.opened();
  await until("the offline mark", () => client.hasOffline);
  return client;
}

/** Resolves once the condition holds; fails with the sentence when it does not within the time. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>, withinMs = 30_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
