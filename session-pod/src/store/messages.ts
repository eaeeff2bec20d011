import { sql } from "kysely";
import { z } from "zod";
import type { DeviceKey, InboxMessage, OutboxMessage } from "../sessions/ports.ts";
import type { OwnedDevice } from "./read-values.ts";
import type { Database, OutboxRow } from "./schema.ts";
import type { Sealer } from "./seal.ts";
import { describeError, type OnTrouble } from "./trouble.ts";
import { inboxPlace, outboxPlace } from "./write-batch.ts";

/** One device's flood must not keep the others of the pod waiting. */
const pendingPerDevice = 20;
const OutboxPayload = z.object({ to: z.string(), text: z.string() });

type SealedOutboxRow = Pick<OutboxRow, "message_id" | "key_id" | "ciphertext">;

export async function findInbox(
  { database, fence, sealer }: OwnedDevice,
  message: Pick<InboxMessage, "chat" | "sender" | "messageId">,
): Promise<Uint8Array | undefined> {
  const row = await database.db
    .selectFrom("wa_inbox")
    .select(["key_id", "ciphertext"])
    .where("device", "=", fence.device)
    .where("chat", "=", message.chat)
    .where("sender", "=", message.sender)
    .where("message_id", "=", message.messageId)
    .executeTakeFirst();
  return row && sealer.open(inboxPlace(message), { keyId: row.key_id, ciphertext: row.ciphertext });
}

export async function findOutbox(
  { database, fence, sealer }: OwnedDevice,
  messageId: string,
): Promise<OutboxMessage | undefined> {
  const row = await database.db
    .selectFrom("wa_outbox")
    .select(["message_id", "key_id", "ciphertext"])
    .where("device", "=", fence.device)
    .where("message_id", "=", messageId)
    .executeTakeFirst();
  return row && openOutbox(sealer, row);
}

/** A device whose outbox is asked for, with the epoch that its session works under. */
export interface OutboxReader {
  readonly device: DeviceKey;
  readonly epoch: number;
  readonly sealer: Sealer;
}

/** Oldest queued messages of each device, in one statement. A device that another pod has claimed since gets none. */
export async function findPending(
  database: Database,
  readers: readonly OutboxReader[],
  onTrouble: OnTrouble,
): Promise<ReadonlyMap<DeviceKey, readonly OutboxMessage[]>> {
  const byDevice = new Map(readers.map((reader) => [reader.device, reader]));
  const pending = new Map<DeviceKey, OutboxMessage[]>();
  if (byDevice.size === 0) return pending;
  for (const row of await selectPending(database, [...byDevice.keys()])) {
    const reader = byDevice.get(row.device);
    if (reader === undefined || reader.epoch !== row.epoch) continue;
    try {
      pending.set(row.device, [...(pending.get(row.device) ?? []), openOutbox(reader.sealer, row)]);
    } catch (error) {
      onTrouble({ operation: "pendingOutbox", ...describeError(error) });
    }
  }
  return pending;
}

async function selectPending(database: Database, devices: readonly DeviceKey[]) {
  return await database.db
    .selectFrom((from) =>
      from
        .selectFrom("wa_outbox")
        .where("state", "=", "Queued")
        .where("device", "in", devices)
        .select(["seq", "device", "message_id", "key_id", "ciphertext"])
        .select(sql<number>`row_number() over (partition by device order by seq)`.as("turn"))
        .as("queued"),
    )
    .innerJoin("wa_device as owner", "owner.key", "queued.device")
    .where("queued.turn", "<=", pendingPerDevice)
    .select(["queued.device", "queued.message_id", "queued.key_id", "queued.ciphertext", "owner.epoch"])
    .orderBy("queued.seq")
    .execute();
}

function openOutbox(
  sealer: Sealer,
  { message_id: messageId, key_id: keyId, ciphertext }: SealedOutboxRow,
): OutboxMessage {
  const payload: unknown = JSON.parse(
    Buffer.from(sealer.open(outboxPlace(messageId), { keyId, ciphertext })).toString("utf8"),
  );
  return { messageId, ...OutboxPayload.parse(payload) };
}
