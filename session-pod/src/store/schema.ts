import type { Generated, Kysely } from "kysely";

/**
 * What this program is, in the words of a database that says how old a program may be. Raised only with a step of the ladder
 * that programs of before could not live with; steps that add leave it as it is.
 */
export const programVersion = 1;

/** One row. `version`: the oldest program that may use the database; `step`: how many steps of the ladder it has. */
interface SchemaRow {
  one: number;
  version: number;
  step: number;
}

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
  /** Why its content is not here; empty: it is. */
  missing: Generated<string>;
  /** The chat's and the sender's other address, by hidden number or by number; empty: not known. */
  chat_alias: Generated<string>;
  sender_alias: Generated<string>;
}

export type OutboxState = "Queued" | "Sent" | "Failed";

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
  /** Tries that failed. */
  attempts: Generated<number>;
  /** Milliseconds since 1970; it is not sent before. */
  not_before_ms: Generated<number>;
}

/** Values of a device that WhatsApp logged out: kept, still encrypted, and read by nobody. */
interface ArchiveRow extends ValueRow {
  archived_ms: number;
  reason: string;
}

/** Messages that the inbox cannot hold as they are. `place` is a hash of their names; `seq` is the order of arrival. */
export interface SetAsideRow {
  seq: Generated<number>;
  device: string;
  place: string;
  reason: string;
  created_ms: number;
  key_id: string;
  ciphertext: Uint8Array;
}

export interface Tables {
  wa_schema: SchemaRow;
  /** For each installation a value that only its own master key opens. */
  wa_canary: { installation: string; ciphertext: Uint8Array };
  wa_device: DeviceRow;
  wa_value: ValueRow;
  wa_inbox: InboxRow;
  wa_outbox: OutboxRow;
  wa_archive: ArchiveRow;
  wa_set_aside: SetAsideRow;
}

export type DatabaseKind = "postgres" | "sqlite";

/** A database with what its kind makes different. */
export interface Database {
  readonly kind: DatabaseKind;
  readonly db: Kysely<Tables>;
}
