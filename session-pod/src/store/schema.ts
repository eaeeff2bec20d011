import type { Generated, Kysely } from "kysely";

/** Raised by every change of the tables below. A database of a newer one is refused. */
export const schemaVersion = 1;

/** One row, which tells who owns the device. Every transaction locks it first. */
export interface DeviceRow {
  key: string;
  epoch: number;
  owner: string;
  incarnation: number;
}

/** Credentials and Signal keys, each encrypted by itself. */
export interface ValueRow {
  device: string;
  type: string;
  id: string;
  key_id: string;
  ciphertext: Uint8Array;
}

/** Messages received. `seq` is the order of arrival. */
export interface InboxRow {
  seq: Generated<number>;
  device: string;
  chat: string;
  sender: string;
  message_id: string;
  timestamp_ms: number;
  key_id: string;
  ciphertext: Uint8Array;
}

type OutboxState = "Queued" | "Sent" | "Failed";

/** Messages to send. The message id is fixed when the row is made, so that a second try is the same message. */
export interface OutboxRow {
  seq: Generated<number>;
  device: string;
  message_id: string;
  state: OutboxState;
  error: string;
  created_ms: number;
  key_id: string;
  ciphertext: Uint8Array;
}

/** Values of a device that WhatsApp logged out: kept, still encrypted, and read by nobody. */
interface ArchiveRow extends ValueRow {
  archived_ms: number;
  reason: string;
}

export interface Tables {
  wa_schema: { one: number; version: number };
  /** For each installation a value that only its own master key opens. */
  wa_canary: { installation: string; ciphertext: Uint8Array };
  wa_device: DeviceRow;
  wa_value: ValueRow;
  wa_inbox: InboxRow;
  wa_outbox: OutboxRow;
  wa_archive: ArchiveRow;
}

export type DatabaseKind = "postgres" | "sqlite";

/** A database with what its kind makes different. */
export interface Database {
  readonly kind: DatabaseKind;
  readonly db: Kysely<Tables>;
}

/** The tables of {@link schemaVersion}, statement by statement. */
export function createStatements(kind: DatabaseKind): readonly string[] {
  const bytes = kind === "postgres" ? "bytea" : "blob";
  const seq = kind === "postgres" ? "bigserial primary key" : "integer primary key autoincrement";
  const sealed = `key_id text not null, ciphertext ${bytes} not null`;
  return [
    `create table wa_canary (installation text primary key, ciphertext ${bytes} not null)`,
    `create table wa_device (key text primary key, epoch integer not null, owner text not null, incarnation integer not null)`,
    `create table wa_value (device text not null, type text not null, id text not null, ${sealed}, primary key (device, type, id))`,
    `create table wa_inbox (seq ${seq}, device text not null, chat text not null, sender text not null,
      message_id text not null, timestamp_ms bigint not null, ${sealed}, unique (device, chat, sender, message_id))`,
    `create index wa_inbox_by_device on wa_inbox (device, seq)`,
    `create table wa_outbox (seq ${seq}, device text not null, message_id text not null, state text not null,
      error text not null, created_ms bigint not null, ${sealed}, unique (device, message_id))`,
    `create index wa_outbox_queued on wa_outbox (device, seq) where state = 'Queued'`,
    `create table wa_archive (device text not null, type text not null, id text not null, ${sealed},
      archived_ms bigint not null, reason text not null)`,
    `create index wa_archive_by_device on wa_archive (device)`,
  ];
}
