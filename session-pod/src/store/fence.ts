import type { Transaction } from "kysely";
import { FenceLostError, type DeviceKey } from "../sessions/ports.ts";
import type { Database, DeviceRow, Tables } from "./schema.ts";

/** What a claim got: every write of it carries these, and only the newest claim's match the device's row. */
export interface Fence {
  readonly device: DeviceKey;
  readonly epoch: number;
  readonly incarnation: number;
}

/**
 * Runs `work` in a transaction whose first statement locks the device's row and compares it. An epoch that is checked
 * without the lock can be raised between check and commit; with it, a new claim waits until this transaction has ended.
 * Throws FenceLostError where a newer claim exists.
 */
export async function inFence<T>(
  database: Database,
  fence: Fence,
  work: (trx: Transaction<Tables>) => Promise<T>,
): Promise<T> {
  return await database.db.transaction().execute(async (trx) => {
    const row = await trx
      .selectFrom("wa_device")
      .select(["epoch", "incarnation"])
      .where("key", "=", fence.device)
      // SQLite has locked the whole file by then.
      .$if(database.kind === "postgres", (query) => query.forShare())
      .executeTakeFirst();
    assertOwned(fence, row);
    return await work(trx);
  });
}

export function isOwned(fence: Fence, row: Pick<DeviceRow, "epoch" | "incarnation"> | undefined): boolean {
  return row?.epoch === fence.epoch && row.incarnation === fence.incarnation;
}

/** Whether a later claim than the fence's has been made. No row, or an older one, is what a store put back to a copy shows. */
export function isSuperseded(fence: Fence, row: Pick<DeviceRow, "epoch" | "incarnation"> | undefined): boolean {
  if (row === undefined) return false;
  return row.epoch > fence.epoch || (row.epoch === fence.epoch && row.incarnation > fence.incarnation);
}

export function assertOwned(fence: Fence, row: Pick<DeviceRow, "epoch" | "incarnation"> | undefined): void {
  if (isOwned(fence, row)) return;
  const newest = row ? `epoch ${row.epoch}, incarnation ${row.incarnation}` : "no row";
  throw new FenceLostError(
    `claim of epoch ${fence.epoch}, incarnation ${fence.incarnation} is not the newest: the store has ${newest}`,
  );
}
