import { once } from "node:events";
import { readFileSync } from "node:fs";
import { currentDataKey, deriveCanaryKey } from "@wa/schema";
import { ConfigError } from "./config/alone-config.ts";
import { messagesUsage, parseMessagesConfig, type MessagesConfig } from "./config/messages-config.ts";
import { enqueueText } from "./store/enqueue.ts";
import { namesOf } from "./session/address.ts";
import type { DeviceKey } from "./sessions/ports.ts";
import { listDevices, listInbox, readOneValue, type ReceivedMessage } from "./store/list-inbox.ts";
import { listOutbox, type OutboxEntry } from "./store/list-outbox.ts";
import { openDatabase } from "./store/open-store.ts";
import type { Database } from "./store/schema.ts";
import { createSealer, type Sealer } from "./store/seal.ts";
import { aliasReader } from "./whatsapp/aliases.ts";
import { readableText } from "./whatsapp/message-text.ts";

/** Waits for a slow reader; one that has seen enough (`head`) ends the program, which is no fault. */
async function say(line: object): Promise<void> {
  if (!process.stdout.write(`${JSON.stringify(line)}\n`)) await once(process.stdout, "drain");
}
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));

async function run(config: MessagesConfig): Promise<void> {
  const { storeUrl, installation, masterKey, command, key } = config;
  const database = await openDatabase({ url: storeUrl, installation, canaryKeyBase64: deriveCanaryKey(masterKey) });
  try {
    await checkDevice(database, config);
    const device = { device: key, sealer: createSealer(key, [currentDataKey(masterKey, key)]) };
    await perform(database, device, command);
  } finally {
    await database.db.destroy();
  }
}

interface StoredDevice {
  readonly device: DeviceKey;
  readonly sealer: Sealer;
}

async function perform(database: Database, device: StoredDevice, command: MessagesConfig["command"]): Promise<void> {
  switch (command.kind) {
    case "send":
      return await say({ messageId: await enqueueText(database, device, command) });
    case "read":
      return await read(database, device, command.afterSeq);
    case "outbox":
      for await (const entry of listOutbox(database, device, command)) await say(outboxLineOf(entry));
      return;
    default:
      command satisfies never;
  }
}

/** A mistyped name would else wait for ever in an outbox that nobody reads. */
async function checkDevice(
  database: Database,
  { key, installation, namespace, device }: MessagesConfig,
): Promise<void> {
  const keys = await listDevices(database);
  if (keys.includes(key)) return;
  const prefix = `${installation}/${namespace}/`;
  const names = keys.filter((known) => known.startsWith(prefix)).map((known) => known.slice(prefix.length));
  const allowed = names.length > 0 ? names.join(", ") : "none yet: a device appears once its session has run";
  throw new ConfigError(
    `--device is ${JSON.stringify(device)}, which the store does not know; in namespace ${namespace} of installation ${installation} it knows: ${allowed}`,
  );
}

async function read(database: Database, device: StoredDevice, afterSeq: number): Promise<void> {
  const aliasOf = aliasReader(async (type, id) => await readOneValue(database, device, { type, id }));
  for await (const message of listInbox(database, device, afterSeq)) {
    const { chat, sender } = message;
    const chatAlias = message.chatAlias ?? (await aliasOf(chat));
    const senderAlias = message.senderAlias ?? (await aliasOf(sender));
    await say(lineOf({ ...message, chatAlias, senderAlias }));
  }
}

/**
 * A person is one chat, by number where it is known, whichever address the server used. A line says what is wrong with its own
 * message, and the next line comes.
 */
function lineOf({ seq, messageId, timestampMs, plaintext, missing, fault, ...by }: ReceivedMessage): object {
  const time = instantOf(timestampMs);
  const read = readableText(plaintext);
  const told = fault ?? read.fault ?? (time === null ? "its time is beyond the calendar" : undefined);
  const chat = namesOf(by.chat, by.chatAlias);
  const sender = namesOf(by.sender, by.senderAlias);
  return {
    seq,
    messageId,
    chat: chat.name,
    chatAlias: chat.alias ?? null,
    sender: sender.name,
    senderAlias: sender.alias ?? null,
    time,
    text: read.text,
    ...(missing !== undefined && { missing }),
    ...(told !== undefined && { fault: told }),
  };
}

function outboxLineOf({ seq, messageId, state, error, attempts, message, ...at }: OutboxEntry): object {
  return {
    seq,
    messageId,
    to: message?.to ?? null,
    state: state === "Queued" ? "Waiting" : state,
    attempts,
    time: instantOf(at.createdMs),
    ...(state === "Queued" && at.notBeforeMs > 0 && { nextTryAt: instantOf(at.notBeforeMs) }),
    ...(error !== "" && { why: error }),
    text: message?.text ?? null,
  };
}

function instantOf(timestampMs: number): string | null {
  const time = new Date(timestampMs);
  return Number.isNaN(time.getTime()) ? null : time.toISOString();
}

try {
  const config = parseMessagesConfig(process.argv.slice(2), process.env, (path) => readFileSync(path, "utf8"));
  if (config === undefined) process.stdout.write(messagesUsage);
  else await run(config);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : "failed"}\n`);
  process.exitCode = error instanceof ConfigError ? 2 : 1;
}
