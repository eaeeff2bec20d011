import { sql } from "kysely";
import { z } from "zod";
import type { DeviceKey, DueMessage, InboxMessage, OutboxMessage } from "../sessions/ports.ts";
import type { OwnedDevice } from "./read-values.ts";
import type { Database, OutboxRow } from "./schema.ts";
import type { Sealer } from "./seal.ts";
import { describeError, type OnTrouble } from "./trouble.ts";
import { hashedNames, isStorable, isStorableId } from "./names.ts";
import { isRefusal } from "./refusals.ts";
import { openAside } from "./set-aside.ts";
import { inboxPlace, outboxPlace } from "./write-batch.ts";

/** One device's flood must not keep the others of the pod waiting. */
const pendingPerDevice = 20;
const OutboxPayload = z.object({ to: z.string(), text: z.string() });

type SealedOutboxRow = Pick<OutboxRow, "message_id" | "key_id" | "ciphertext">;

type MessageNames = Pick<InboxMessage, "chat" | "sender" | "messageId">;

/** Plaintext of a message that is stored, in the inbox or aside of it. */
export async function findInbox(owned: OwnedDevice, message: MessageNames): Promise<Uint8Array | undefined> {
  const { database, fence, sealer } = owned;
  const aside = selectAside(database, fence.device, message);
  if (!isStorable(message)) return openFound(sealer, message, await aside.executeTakeFirst());
  try {
    const both = database.db
      .selectFrom("wa_inbox")
      .select([sql.lit("inbox").as("table"), "key_id", "ciphertext"])
      .where("device", "=", fence.device)
      .where("chat", "=", message.chat)
      .where("sender", "=", message.sender)
      .where("message_id", "=", message.messageId)
      .unionAll(aside);
    return openFound(sealer, message, await both.executeTakeFirst());
  } catch (error) {
    // What a database cannot even be asked for (its encoding lacks a letter) is not in its inbox.
    if (!isRefusal(error)) throw error;
    return openFound(sealer, message, await aside.executeTakeFirst());
  }
}

function selectAside({ db }: Database, device: DeviceKey, message: MessageNames) {
  return db
    .selectFrom("wa_set_aside")
    .select([sql.lit("aside").as("table"), "key_id", "ciphertext"])
    .where("device", "=", device)
    .where("place", "=", hashedNames(message));
}

type Found = Pick<OutboxRow, "key_id" | "ciphertext"> & { readonly table: string };

function openFound(sealer: Sealer, message: MessageNames, row: Found | undefined): Uint8Array | undefined {
  if (row === undefined) return undefined;
  if (row.table === "aside") return openAside(sealer, { place: hashedNames(message), ...row }).plaintext;
  return sealer.open(inboxPlace(message), { keyId: row.key_id, ciphertext: row.ciphertext });
}

export async function findOutbox(
  { database, fence, sealer }: OwnedDevice,
  messageId: string,
): Promise<OutboxMessage | undefined> {
  // The recipient's client says which; ours are short.
  if (!isStorableId(messageId)) return undefined;
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
  /** Ids of messages that the session has in hand. */
  readonly underWay?: ReadonlySet<string> | undefined;
}

interface PendingCircumstances {
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  readonly onTrouble: OnTrouble;
}

/** Oldest messages due of each device, in one statement. A device that another pod has claimed since gets none. */
export async function findPending(
  database: Database,
  readers: readonly OutboxReader[],
  { nowMs, onTrouble }: PendingCircumstances,
): Promise<ReadonlyMap<DeviceKey, readonly DueMessage[]>> {
  const byDevice = new Map(readers.map((reader) => [reader.device, reader]));
  const pending = new Map<DeviceKey, DueMessage[]>();
  if (byDevice.size === 0) return pending;
  const mostUnderWay = Math.max(...readers.map(({ underWay }) => underWay?.size ?? 0));
  const question = { devices: [...byDevice.keys()], nowMs, most: pendingPerDevice + mostUnderWay };
  const closed: ClosedRow[] = [];
  for (const row of await selectPending(database, question)) {
    const reader = byDevice.get(row.device);
    if (reader === undefined || reader.epoch !== row.epoch || reader.underWay?.has(row.message_id) === true) continue;
    try {
      const due = { ...openOutbox(reader.sealer, row), attempts: row.attempts };
      pending.set(row.device, [...(pending.get(row.device) ?? []), due]);
    } catch (error) {
      onTrouble({ operation: "pendingOutbox", ...describeError(error) });
      closed.push(row);
    }
  }
  for (const row of closed) await putOff(database, row, nowMs + closedAgainMs);
  return pending;
}

type ClosedRow = Pick<OutboxRow, "device" | "message_id">;

/** A row that does not open must not keep its place before those that do; perhaps its key comes back. */
const closedAgainMs = 3_600_000;

async function putOff({ db }: Database, { device, message_id }: ClosedRow, untilMs: number): Promise<void> {
  await db
    .updateTable("wa_outbox")
    .set({ not_before_ms: untilMs, error: "does not open with the keys at hand" })
    .where("device", "=", device)
    .where("message_id", "=", message_id)
    .where("state", "=", "Queued")
    .execute();
}

interface PendingQuestion {
  readonly devices: readonly DeviceKey[];
  readonly nowMs: number;
  /** Rows of each device. */
  readonly most: number;
}

async function selectPending(database: Database, { devices, nowMs, most }: PendingQuestion) {
  return await database.db
    .selectFrom((from) =>
      from
        .selectFrom("wa_outbox")
        .where("state", "=", "Queued")
        .where("device", "in", devices)
        .where("not_before_ms", "<=", nowMs)
        .select(["seq", "device", "message_id", "key_id", "ciphertext", "attempts"])
        .select(sql<number>`row_number() over (partition by device order by seq)`.as("turn"))
        .as("queued"),
    )
    .innerJoin("wa_device as owner", "owner.key", "queued.device")
    .where("queued.turn", "<=", most)
    .select(["queued.device", "queued.message_id", "queued.key_id", "queued.ciphertext"])
    .select(["queued.attempts", "owner.epoch"])
    .orderBy("queued.seq")
    .execute();
}

export function openOutbox(
  sealer: Sealer,
  { message_id: messageId, key_id: keyId, ciphertext }: SealedOutboxRow,
): OutboxMessage {
  const payload: unknown = JSON.parse(
    Buffer.from(sealer.open(outboxPlace(messageId), { keyId, ciphertext })).toString("utf8"),
  );
  return { messageId, ...OutboxPayload.parse(payload) };
}
