import type { Change } from "./changes.ts";

/** One step of the ladder. */
export interface Migration {
  readonly name: string;
  readonly changes: readonly Change[];
}

/**
 * The tables, step by step; a database counts the steps that it has. A step that was released never changes: what is needed
 * next is a further step at the end. Rows of programs that know fewer steps come into each table at any time, so whoever reads
 * a new column reads its default as "not known".
 */
export const migrations: readonly Migration[] = [
  {
    name: "tables of the first release",
    changes: [
      {
        kind: "table",
        name: "wa_canary",
        columns: { installation: "text", ciphertext: "bytes" },
        primaryKey: ["installation"],
      },
      {
        kind: "table",
        name: "wa_device",
        columns: { key: "text", epoch: "integer", owner: "text", incarnation: "integer" },
        primaryKey: ["key"],
      },
      {
        kind: "table",
        name: "wa_value",
        columns: { device: "text", type: "text", id: "text", key_id: "text", ciphertext: "bytes" },
        primaryKey: ["device", "type", "id"],
      },
      {
        kind: "table",
        name: "wa_inbox",
        columns: {
          seq: "sequence",
          device: "text",
          chat: "text",
          sender: "text",
          message_id: "text",
          timestamp_ms: "bigint",
          key_id: "text",
          ciphertext: "bytes",
        },
        unique: ["device", "chat", "sender", "message_id"],
      },
      { kind: "index", name: "wa_inbox_by_device", table: "wa_inbox", columns: ["device", "seq"] },
      {
        kind: "table",
        name: "wa_outbox",
        columns: {
          seq: "sequence",
          device: "text",
          message_id: "text",
          state: "text",
          error: "text",
          created_ms: "bigint",
          key_id: "text",
          ciphertext: "bytes",
        },
        unique: ["device", "message_id"],
      },
      {
        kind: "index",
        name: "wa_outbox_queued",
        table: "wa_outbox",
        columns: ["device", "seq"],
        where: "state = 'Queued'",
      },
      {
        kind: "table",
        name: "wa_archive",
        columns: {
          device: "text",
          type: "text",
          id: "text",
          key_id: "text",
          ciphertext: "bytes",
          archived_ms: "bigint",
          reason: "text",
        },
      },
      { kind: "index", name: "wa_archive_by_device", table: "wa_archive", columns: ["device"] },
    ],
  },
  {
    name: "texts that wait, messages that could not be read, other addresses",
    changes: [
      { kind: "column", table: "wa_outbox", name: "attempts", type: "integer", default: 0 },
      { kind: "column", table: "wa_outbox", name: "not_before_ms", type: "bigint", default: 0 },
      { kind: "column", table: "wa_inbox", name: "missing", type: "text", default: "" },
      { kind: "column", table: "wa_inbox", name: "chat_alias", type: "text", default: "" },
      { kind: "column", table: "wa_inbox", name: "sender_alias", type: "text", default: "" },
    ],
  },
  {
    name: "messages that the inbox cannot hold",
    changes: [
      {
        kind: "table",
        name: "wa_set_aside",
        columns: {
          seq: "sequence",
          device: "text",
          place: "text",
          reason: "text",
          created_ms: "bigint",
          key_id: "text",
          ciphertext: "bytes",
        },
        unique: ["device", "place"],
      },
    ],
  },
];
