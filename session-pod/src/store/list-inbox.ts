import type { DeviceKey, InboxMessage } from "../sessions/ports.ts";
import type { Database } from "./schema.ts";
import type { Sealer } from "./seal.ts";
import { orUnavailable } from "./trouble.ts";
import { inboxPlace } from "./write-batch.ts";

const perPage = 200;

/** A message received; `seq` rises with the order of arrival. */
export interface ReceivedMessage extends InboxMessage {
  readonly seq: number;
}

/** Messages of a device after `afterSeq`, oldest first, read in pages. Needs no claim. Throws StoreRefusedError for another key. */
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
      const plaintext = sealer.open(inboxPlace(message), { keyId: row.key_id, ciphertext: row.ciphertext });
      yield { ...message, seq: last, timestampMs: Number(row.timestamp_ms), plaintext };
    }
    if (rows.length < perPage) return;
  }
}

async function selectPage(database: Database, device: DeviceKey, afterSeq: number) {
  return await database.db
    .selectFrom("wa_inbox")
    .selectAll()
    .where("device", "=", device)
    .where("seq", ">", afterSeq)
    .orderBy("seq")
    .limit(perPage)
    .execute();
}

/** Keys of all devices that were ever claimed, for telling a mistyped name. */
export async function listDevices(database: Database): Promise<DeviceKey[]> {
  const rows = await orUnavailable("listDevices", () =>
    database.db.selectFrom("wa_device").select("key").orderBy("key").execute(),
  );
  return rows.map(({ key }) => key);
}
