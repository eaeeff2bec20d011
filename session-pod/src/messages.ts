import { readFileSync } from "node:fs";
import { currentDataKey, deriveCanaryKey } from "@wa/schema";
import { ConfigError } from "./config/alone-config.ts";
import { messagesUsage, parseMessagesConfig, type MessagesConfig } from "./config/messages-config.ts";
import { enqueueText } from "./store/enqueue.ts";
import { listDevices, listInbox, type ReceivedMessage } from "./store/list-inbox.ts";
import { openDatabase } from "./store/open-store.ts";
import type { Database } from "./store/schema.ts";
import { createSealer } from "./store/seal.ts";
import { messageText } from "./whatsapp/message-text.ts";

const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

async function run(config: MessagesConfig): Promise<void> {
  const { storeUrl, installation, masterKey, command, key } = config;
  const database = await openDatabase({ url: storeUrl, installation, canaryKeyBase64: deriveCanaryKey(masterKey) });
  try {
    await checkDevice(database, config);
    const device = { device: key, sealer: createSealer(key, [currentDataKey(masterKey, key)]) };
    if (command.kind === "send") say({ messageId: await enqueueText(database, device, command) });
    else for await (const message of listInbox(database, device, command.afterSeq)) say(lineOf(message));
  } finally {
    await database.db.destroy();
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

function lineOf({ seq, messageId, chat, sender, timestampMs, plaintext }: ReceivedMessage): object {
  const time = new Date(timestampMs).toISOString();
  return { seq, messageId, chat, sender, time, text: messageText(plaintext) ?? null };
}

try {
  const config = parseMessagesConfig(process.argv.slice(2), process.env, (path) => readFileSync(path, "utf8"));
  if (config === undefined) process.stdout.write(messagesUsage);
  else await run(config);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : "failed"}\n`);
  process.exitCode = error instanceof ConfigError ? 2 : 1;
}
