import type { Insertable } from "kysely";
import { z } from "zod";
import type { DeviceKey, InboxMessage } from "../sessions/ports.ts";
import { hashedNames } from "./names.ts";
import type { SetAsideRow } from "./schema.ts";
import type { SealedPlace, Sealer } from "./seal.ts";

/** `Names`: no column holds its id or addresses; `Refused`: the database refused its row. */
export type AsideReason = "Names" | "Refused";

/** Told of every message that was stored aside of the inbox. */
export type OnSetAside = (aside: { readonly device: DeviceKey; readonly reason: AsideReason }) => void;

type Names = Pick<InboxMessage, "chat" | "sender" | "messageId">;

const asidePlace = (message: Names): SealedPlace => ({ type: "set-aside", id: hashedNames(message) });

const Aside = z.object({
  chat: z.string(),
  sender: z.string(),
  messageId: z.string(),
  timestampMs: z.number().catch(0),
  plaintext: z.base64().transform((text): Uint8Array => Buffer.from(text, "base64")),
});

/** Nothing of the message is outside of the ciphertext: what one column refused, another could refuse too. */
export function asideRow(
  { device, sealer }: { readonly device: DeviceKey; readonly sealer: Sealer },
  message: InboxMessage,
  reason: AsideReason,
): Insertable<SetAsideRow> {
  const place = asidePlace(message);
  const plain = JSON.stringify({ ...message, plaintext: Buffer.from(message.plaintext).toString("base64") });
  const { keyId, ciphertext } = sealer.seal(place, Buffer.from(plain));
  return { device, place: place.id, reason, created_ms: Date.now(), key_id: keyId, ciphertext };
}

export function openAside(
  sealer: Sealer,
  { place, key_id: keyId, ciphertext }: Pick<SetAsideRow, "place" | "key_id" | "ciphertext">,
): InboxMessage {
  const plain = sealer.open({ type: "set-aside", id: place }, { keyId, ciphertext });
  return Aside.parse(JSON.parse(Buffer.from(plain).toString("utf8")));
}
