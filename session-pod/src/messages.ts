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
import { messageText } from "./whatsapp/message-text.ts";

const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

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
      return say({ messageId: await enqueueText(database, device, command) });
    case "read":
      return await read(database, device, command.afterSeq);
    case "outbox":
      for await (const entry of listOutbox(database, device, command)) say(outboxLineOf(entry));
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
    say(lineOf({ ...message, chatAlias, senderAlias }));
  }
}

/** A person is one chat, by number where it is known, whichever address the server used. */
function lineOf({ seq, messageId, timestampMs, plaintext, missing, ...by }: ReceivedMessage): object {
  const chat = namesOf(by.chat, by.chatAlias);
  const sender = namesOf(by.sender, by.senderAlias);
  return {
    seq,
    messageId,
    chat: chat.name,
    chatAlias: chat.alias ?? null,
    sender: sender.name,
    senderAlias: sender.alias ?? null,
    time: new Date(timestampMs).toISOString(),
    text: messageText(plaintext) ?? null,
    ...(missing !== undefined && { missing }),
  };
}

function outboxLineOf({ seq, messageId, state, error, attempts, message, ...at }: OutboxEntry): object {
  return {
    seq,
    messageId,
    to: message?.to ?? null,
    state: state === "Queued" ? "Waiting" : state,
    attempts,
    time: new Date(at.createdMs).toISOString(),
    ...(state === "Queued" && at.notBeforeMs > 0 && { nextTryAt: new Date(at.notBeforeMs).toISOString() }),
    ...(error !== "" && { why: error }),
    text: message?.text ?? null,
  };
}

try {
  const config = parseMessagesConfig(process.argv.slice(2), process.env, (path) => readFileSync(path, "utf8"));
  if (config === undefined) process.stdout.write(messagesUsage);
  else await run(config);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : "failed"}\n`);
  process.exitCode = error instanceof ConfigError ? 2 : 1;
}
