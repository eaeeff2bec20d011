import type { DeviceKey, OutboxMessage } from "../sessions/ports.ts";
import { openOutbox } from "./messages.ts";
import type { Database, OutboxState } from "./schema.ts";
import type { Sealer } from "./seal.ts";
import { orUnavailable } from "./trouble.ts";

const perPage = 200;

/** A message of an outbox and what became of it; `seq` rises with the order in which they were made. */
export interface OutboxEntry {
  readonly seq: number;
  readonly messageId: string;
  readonly state: OutboxState;
  /** Why the last try failed; empty: none did. */
  readonly error: string;
  readonly attempts: number;
  readonly createdMs: number;
  readonly notBeforeMs: number;
  /** Undefined where no key at hand opens the row. */
  readonly message: Pick<OutboxMessage, "to" | "text"> | undefined;
}

export interface OutboxSelection {
  readonly afterSeq: number;
  readonly states: readonly OutboxState[];
}

/** Messages of a device's outbox, oldest first, read in pages. Needs no claim. */
export async function* listOutbox(
  database: Database,
  { device, sealer }: { readonly device: DeviceKey; readonly sealer: Sealer },
  { afterSeq, states }: OutboxSelection,
): AsyncGenerator<OutboxEntry> {
  for (let last = afterSeq; ;) {
    const rows = await orUnavailable("listOutbox", () =>
      database.db
        .selectFrom("wa_outbox")
        .selectAll()
        .where("device", "=", device)
        .where("seq", ">", last)
        .where("state", "in", states)
        .orderBy("seq")
        .limit(perPage)
        .execute(),
    );
    for (const row of rows) {
      last = Number(row.seq);
      yield {
        seq: last,
        messageId: row.message_id,
        state: row.state,
        error: row.error,
        attempts: row.attempts,
        createdMs: Number(row.created_ms),
        notBeforeMs: Number(row.not_before_ms),
        message: opened(sealer, row),
      };
    }
    if (rows.length < perPage) return;
  }
}

function opened(sealer: Sealer, row: Parameters<typeof openOutbox>[1]): OutboxEntry["message"] {
  try {
    return openOutbox(sealer, row);
  } catch {
    return undefined;
  }
}
