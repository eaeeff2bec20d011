import { randomBytes } from "node:crypto";
import type { DeviceKey, OutboxMessage } from "../sessions/ports.ts";
import type { Database } from "./schema.ts";
import type { Sealer } from "./seal.ts";
import { orUnavailable } from "./trouble.ts";
import { encodeOutbox, outboxPlace } from "./write-batch.ts";

/** Ids of WhatsApp Web's own messages start so. */
const idPrefix = "3EB0";
const idBytes = 9;

/**
 * Puts a text into a device's outbox; its session sends it. The message id is made here, once, so that every try of the
 * session is the same message. Needs no claim: whoever has the device's key may write.
 *
 * @param to address at WhatsApp (JID)
 * @returns the message id
 */
export async function enqueueText(
  database: Database,
  { device, sealer }: { readonly device: DeviceKey; readonly sealer: Sealer },
  message: Pick<OutboxMessage, "to" | "text">,
): Promise<string> {
  const messageId = `${idPrefix}${randomBytes(idBytes).toString("hex").toUpperCase()}`;
  const { keyId, ciphertext } = sealer.seal(outboxPlace(messageId), encodeOutbox(message));
  const row = { device, message_id: messageId, state: "Queued" as const, error: "", created_ms: Date.now() };
  // In a transaction for its deadline: a row that the caller was told is not there must not appear, and be sent, afterwards.
  await orUnavailable("enqueue", () =>
    database.db.transaction().execute(async (trx) =>
      trx
        .insertInto("wa_outbox")
        .values({ ...row, key_id: keyId, ciphertext })
        .execute(),
    ),
  );
  return messageId;
}
