import { sql, type Insertable, type Transaction, type Updateable } from "kysely";
import type { DeviceKey, InboxMessage, OutboxFate, OutboxMessage } from "../sessions/ports.ts";
import type { Batch } from "./batch.ts";
import { isStorable, noteText, storedId } from "./names.ts";
import { dropPlaceholders, placeholderRows, writePlaceholders } from "./placeholders.ts";
import { isRefusal } from "./refusals.ts";
import type { InboxRow, OutboxRow, SetAsideRow, Tables, ValueRow } from "./schema.ts";
import type { SealedPlace, Sealer } from "./seal.ts";
import { asideRow, type AsideReason } from "./set-aside.ts";

/** SQLite takes 32,766 parameters in a statement, PostgreSQL 65,535; a row has at most ten. */
const rowsPerStatement = 2_000;

/** Where an inbox message is bound to: its three names together are unique within a device. */
export function inboxPlace({
  chat,
  sender,
  messageId,
}: Pick<InboxMessage, "chat" | "sender" | "messageId">): SealedPlace {
  return { type: "inbox", id: JSON.stringify([chat, sender, messageId]) };
}

export function outboxPlace(messageId: string): SealedPlace {
  return { type: "outbox", id: messageId };
}

export function encodeOutbox({ to, text }: Pick<OutboxMessage, "to" | "text">): Uint8Array {
  return Buffer.from(JSON.stringify({ to, text }));
}

/** A batch, encrypted and cut into rows; made once, written as often as the transaction is tried. */
export interface SealedBatch {
  readonly values: readonly ValueRow[];
  readonly inbox: readonly Insertable<InboxRow>[];
  readonly placeholders: readonly Insertable<InboxRow>[];
  /** What the inbox cannot hold as it is. */
  readonly asides: readonly Insertable<SetAsideRow>[];
  /** For a row that the database refuses all the same; by its place in `inbox`. */
  readonly asideOf: (index: number) => Insertable<SetAsideRow>;
  readonly deletes: ReadonlyMap<string, readonly string[]>;
  readonly fates: readonly Fates[];
  readonly readdressed: readonly Pick<OutboxRow, "message_id" | "key_id" | "ciphertext">[];
}

/** Outbox rows that ended in the same way, or wait for the same time. */
interface Fates {
  readonly changes: Updateable<OutboxRow>;
  readonly messageIds: readonly string[];
}

/** Tries of before stay counted on a row that ends. */
function changesBy(fate: OutboxFate): Updateable<OutboxRow> {
  const { state } = fate;
  if (state === "Sent") return { state, error: "" };
  if (state === "Failed") return { state, error: noteText(fate.error) };
  return { state, error: noteText(fate.error), attempts: fate.attempts, not_before_ms: fate.notBeforeMs };
}

export function sealBatch(device: DeviceKey, sealer: Sealer, batch: Batch): SealedBatch {
  const sealed = (place: SealedPlace, plain: Uint8Array) => {
    const { keyId, ciphertext } = sealer.seal(place, plain);
    return { key_id: keyId, ciphertext };
  };
  const [plain, odd] = [batch.inbox.filter(isStorable), batch.inbox.filter((message) => !isStorable(message))];
  const aside = (message: InboxMessage, reason: AsideReason) => asideRow({ device, sealer }, message, reason);
  const deletes = Map.groupBy(batch.deletes.values(), ({ type }) => type);
  const fates = Map.groupBy(batch.outbox.values(), (fate) => JSON.stringify(changesBy(fate)));
  return {
    values: [...batch.puts.values()].map(({ type, id: name, value }) => {
      const id = storedId(name);
      return { device, type, id, ...sealed({ type, id }, value) };
    }),
    inbox: plain.map((message) => ({
      device,
      chat: message.chat,
      sender: message.sender,
      message_id: message.messageId,
      timestamp_ms: message.timestampMs,
      chat_alias: message.chatAlias ?? "",
      sender_alias: message.senderAlias ?? "",
      ...sealed(inboxPlace(message), message.plaintext),
    })),
    placeholders: placeholderRows(device, batch.unread, (names) => sealed(inboxPlace(names), new Uint8Array())),
    asides: odd.map((message) => aside(message, "Names")),
    asideOf: (index) => {
      const message = plain[index];
      if (message === undefined) throw new RangeError(`no message ${index} in this batch`);
      return aside(message, "Refused");
    },
    deletes: new Map([...deletes].map(([type, keys]) => [type, keys.map(({ id }) => storedId(id))])),
    fates: [...fates.values()].flatMap((same) => {
      const [first] = same;
      const messageIds = same.map(({ messageId }) => messageId);
      return first ? [{ changes: changesBy(first), messageIds }] : [];
    }),
    readdressed: [...batch.readdressed.values()].map((message) => ({
      message_id: message.messageId,
      ...sealed(outboxPlace(message.messageId), encodeOutbox(message)),
    })),
  };
}

/** A few statements, however many values; or one for each message, so that the one that is refused is found and set aside. */
export type Writing = "Together" | "OneByOne";

/** @returns why messages were set aside, once for each */
export async function writeBatch(
  trx: Transaction<Tables>,
  device: DeviceKey,
  batch: SealedBatch,
  writing: Writing = "Together",
): Promise<AsideReason[]> {
  await upsertValues(trx, batch.values);
  for (const [type, ids] of batch.deletes) await deleteValues(trx, { device, type, ids });
  await writePlaceholders(trx, batch.placeholders);
  if (writing === "Together") for (const rows of slices(batch.inbox)) await insertInbox(trx, device, rows);
  const refused = writing === "OneByOne" ? await insertOneByOne(trx, device, batch) : [];
  for (const rows of slices([...batch.asides, ...refused])) await insertAsides(trx, rows);
  for (const { message_id: id, ...sealed } of batch.readdressed)
    await trx.updateTable("wa_outbox").set(sealed).where("device", "=", device).where("message_id", "=", id).execute();
  for (const { changes, messageIds } of batch.fates)
    for (const ids of slices(messageIds))
      await trx
        .updateTable("wa_outbox")
        .set(changes)
        .where("device", "=", device)
        .where("message_id", "in", ids)
        .execute();
  return [...batch.asides.map(() => "Names" as const), ...refused.map(() => "Refused" as const)];
}

async function insertInbox(
  trx: Transaction<Tables>,
  device: DeviceKey,
  rows: readonly Insertable<InboxRow>[],
): Promise<void> {
  await dropPlaceholders(trx, device, rows);
  await trx
    .insertInto("wa_inbox")
    .values(rows)
    // A redelivery: the plaintext that was stored first is the one that was acted upon.
    .onConflict((conflict) => conflict.columns(["device", "chat", "sender", "message_id"]).doNothing())
    .execute();
}

async function insertAsides(trx: Transaction<Tables>, rows: readonly Insertable<SetAsideRow>[]): Promise<void> {
  await trx
    .insertInto("wa_set_aside")
    .values(rows)
    .onConflict((conflict) => conflict.columns(["device", "place"]).doNothing())
    .execute();
}

const point = "wa_message";

/** @returns rows for the messages that the database refused */
async function insertOneByOne(
  trx: Transaction<Tables>,
  device: DeviceKey,
  { inbox, asideOf }: SealedBatch,
): Promise<Insertable<SetAsideRow>[]> {
  const refused: Insertable<SetAsideRow>[] = [];
  for (const [index, row] of inbox.entries()) {
    await sql.raw(`savepoint ${point}`).execute(trx);
    try {
      await insertInbox(trx, device, [row]);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      await sql.raw(`rollback to savepoint ${point}`).execute(trx);
      refused.push(asideOf(index));
    }
    await sql.raw(`release savepoint ${point}`).execute(trx);
  }
  return refused;
}

async function upsertValues(trx: Transaction<Tables>, values: readonly ValueRow[]): Promise<void> {
  for (const rows of slices(values))
    await trx
      .insertInto("wa_value")
      .values(rows)
      .onConflict((conflict) =>
        conflict.columns(["device", "type", "id"]).doUpdateSet((row) => ({
          key_id: row.ref("excluded.key_id"),
          ciphertext: row.ref("excluded.ciphertext"),
        })),
      )
      .execute();
}

async function deleteValues(
  trx: Transaction<Tables>,
  { device, type, ids }: { device: DeviceKey; type: string; ids: readonly string[] },
): Promise<void> {
  for (const some of slices(ids))
    await trx
      .deleteFrom("wa_value")
      .where("device", "=", device)
      .where("type", "=", type)
      .where("id", "in", some)
      .execute();
}

export function slices<T>(items: readonly T[]): T[][] {
  const parts: T[][] = [];
  for (let from = 0; from < items.length; from += rowsPerStatement)
    parts.push(items.slice(from, from + rowsPerStatement));
  return parts;
}
