import type { DeviceKey, InboxMessage, ValueKey } from "../sessions/ports.ts";
import { isNotOutdated, unmarkedId } from "./placeholders.ts";
import type { Database, InboxRow } from "./schema.ts";
import type { Sealer } from "./seal.ts";
import { describeError, orUnavailable } from "./trouble.ts";
import { inboxPlace } from "./write-batch.ts";

const perPage = 200;

/** A message received; `seq` rises with the order of arrival. */
export interface ReceivedMessage extends InboxMessage {
  readonly seq: number;
  /** Present where its content is not here; the plaintext is empty then. */
  readonly missing?: string | undefined;
  /** Why the row could not be opened; its plaintext is empty then. */
  readonly fault?: string;
}

/** Messages of a device after `afterSeq`, oldest first, read in pages; a row that does not open says so. Needs no claim. */
export async function* listInbox(
  database: Database,
  { device, sealer }: { readonly device: DeviceKey; readonly sealer: Sealer },
  afterSeq: number,
): AsyncGenerator<ReceivedMessage> {
  for (let last = afterSeq; ;) {
    const rows = await orUnavailable("listInbox", () => selectPage(database, device, last));
    for (const row of rows) {
      last = Number(row.seq);
      const message = { messageId: row.message_id, chat: row.chat, sender: row.sender };
      const aliases = { chatAlias: row.chat_alias || undefined, senderAlias: row.sender_alias || undefined };
      const content = openRow(sealer, message, row);
      const received = { ...message, ...aliases, seq: last, timestampMs: Number(row.timestamp_ms), ...content };
      yield row.missing === ""
        ? received
        : { ...received, messageId: unmarkedId(row.message_id), missing: row.missing };
    }
    if (rows.length < perPage) return;
  }
}

/** One row that was damaged, or written with another key, is no reason to show none of the others. */
function openRow(
  sealer: Sealer,
  message: Pick<InboxMessage, "chat" | "sender" | "messageId">,
  { key_id: keyId, ciphertext }: Pick<InboxRow, "key_id" | "ciphertext">,
): Pick<ReceivedMessage, "plaintext" | "fault"> {
  try {
    return { plaintext: sealer.open(inboxPlace(message), { keyId, ciphertext }) };
  } catch (error) {
    return { plaintext: new Uint8Array(), fault: describeError(error).message };
  }
}

async function selectPage(database: Database, device: DeviceKey, afterSeq: number) {
  return await database.db
    .selectFrom("wa_inbox")
    .selectAll()
    .where("device", "=", device)
    .where("seq", ">", afterSeq)
    .where(isNotOutdated)
    .orderBy("seq")
    .limit(perPage)
    .execute();
}

/** One value of a device; undefined where there is none, or none that the key opens. Needs no claim. */
export async function readOneValue(
  database: Database,
  { device, sealer }: { readonly device: DeviceKey; readonly sealer: Sealer },
  { type, id }: ValueKey,
): Promise<Uint8Array | undefined> {
  const row = await orUnavailable("readOneValue", () =>
    database.db
      .selectFrom("wa_value")
      .select(["key_id", "ciphertext"])
      .where("device", "=", device)
      .where("type", "=", type)
      .where("id", "=", id)
      .executeTakeFirst(),
  );
  return row && sealer.open({ type, id }, { keyId: row.key_id, ciphertext: row.ciphertext });
}

/** Keys of all devices that were ever claimed, for telling a mistyped name. */
export async function listDevices(database: Database): Promise<DeviceKey[]> {
  const rows = await orUnavailable("listDevices", () =>
    database.db.selectFrom("wa_device").select("key").orderBy("key").execute(),
  );
  return rows.map(({ key }) => key);
}
