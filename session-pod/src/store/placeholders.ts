import { sql, type Insertable, type Transaction } from "kysely";
import type { DeviceKey, InboxMessage, UnreadMessage } from "../sessions/ports.ts";
import type { InboxRow, Tables } from "./schema.ts";

/**
 * A message whose content is not here stands in the inbox under its id and this mark. Under its id alone, a program of the first
 * release would take the good copy that comes later for one that it has.
 */
const mark = "#missing";

type Names = Pick<InboxMessage, "chat" | "sender" | "messageId">;

const markedId = (messageId: string): string => `${messageId}${mark}`;

/** The message's own id, of a row that says that its content is missing. */
export const unmarkedId = (messageId: string): string =>
  messageId.endsWith(mark) ? messageId.slice(0, -mark.length) : messageId;

/** Names that every database takes as they are. A placeholder is worth nothing that could hold up a commit. */
const plain = /^[\x20-\x7e]{1,200}$/;
const isPlain = ({ chat, sender, messageId }: Names): boolean =>
  [chat, sender, messageId].every((name) => plain.test(name));

/**
 * Rows for messages without content; of those with odd names there are none.
 *
 * @param seal encrypts nothing at all, bound to the names that the row has
 */
export function placeholderRows(
  device: DeviceKey,
  messages: readonly UnreadMessage[],
  seal: (names: Names) => Pick<InboxRow, "key_id" | "ciphertext">,
): Insertable<InboxRow>[] {
  return messages.filter(isPlain).map(({ chat, sender, timestampMs, missing, ...message }) => {
    const messageId = markedId(message.messageId);
    return {
      device,
      chat,
      sender,
      message_id: messageId,
      timestamp_ms: timestampMs,
      ...seal({ chat, sender, messageId }),
      missing,
      chat_alias: message.chatAlias ?? "",
      sender_alias: message.senderAlias ?? "",
    };
  });
}

/** Of a message that is missed again, the reason of the last time stays. */
export async function writePlaceholders(
  trx: Transaction<Tables>,
  placeholders: readonly Insertable<InboxRow>[],
): Promise<void> {
  for (const row of placeholders)
    await trx
      .insertInto("wa_inbox")
      .values(row)
      .onConflict((conflict) =>
        conflict
          .columns(["device", "chat", "sender", "message_id"])
          .doUpdateSet((update) => ({ missing: update.ref("excluded.missing") }))
          .where("wa_inbox.missing", "<>", ""),
      )
      .execute();
}

/** SQLite takes a thousand conditions in one. */
const perDelete = 200;

/** The content has come: its row takes the placeholder's place, with a number of its own, so that readers come to it. */
export async function dropPlaceholders(
  trx: Transaction<Tables>,
  device: DeviceKey,
  messages: readonly Pick<Insertable<InboxRow>, "chat" | "sender" | "message_id">[],
): Promise<void> {
  for (let from = 0; from < messages.length; from += perDelete) {
    const some = messages.slice(from, from + perDelete);
    await trx
      .deleteFrom("wa_inbox")
      .where("device", "=", device)
      .where("missing", "<>", "")
      .where((row) =>
        row.or(some.map(({ chat, sender, message_id: id }) => row.and({ chat, sender, message_id: markedId(id) }))),
      )
      .execute();
  }
}

/** True of every row but a placeholder whose message a program of the first release has stored since. */
export const isNotOutdated = sql<boolean>`(wa_inbox.missing = '' or not exists (
  select 1 from wa_inbox as good where good.device = wa_inbox.device and good.chat = wa_inbox.chat and good.sender = wa_inbox.sender
    and good.message_id = substr(wa_inbox.message_id, 1, length(wa_inbox.message_id) - ${sql.lit(mark.length)})))`;
