import type { ValueKey } from "../sessions/ports.ts";
import { assertOwned, type Fence } from "./fence.ts";
import type { Database } from "./schema.ts";
import { storedId } from "./names.ts";
import type { Sealer } from "./seal.ts";
import { slices } from "./write-batch.ts";

/** A device of the store, with what opens its values. */
export interface OwnedDevice {
  readonly database: Database;
  readonly fence: Fence;
  readonly sealer: Sealer;
}

/**
 * Values of one type by id; absent ones are not in the answer. The device's row comes with them in the same statement, so a
 * reader that lost its claim learns it here: throws FenceLostError, and StoreRefusedError for a value no key at hand opens.
 */
export async function readValues(
  { database, fence, sealer }: OwnedDevice,
  type: string,
  ids: readonly string[],
): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  const asked = new Map(ids.map((id) => [storedId(id), id]));
  for (const some of slices([...asked.keys()])) {
    const rows = await database.db
      .selectFrom("wa_device as device")
      .leftJoin("wa_value as value", (join) =>
        join.onRef("value.device", "=", "device.key").on("value.type", "=", type).on("value.id", "in", some),
      )
      .where("device.key", "=", fence.device)
      .select(["device.epoch", "device.incarnation", "value.id", "value.key_id", "value.ciphertext"])
      .execute();
    assertOwned(fence, rows[0]);
    for (const { id, key_id: keyId, ciphertext } of rows)
      if (id !== null && keyId !== null && ciphertext !== null)
        found.set(asked.get(id) ?? id, sealer.open({ type, id }, { keyId, ciphertext }));
  }
  return found;
}

export async function readValue(device: OwnedDevice, { type, id }: ValueKey): Promise<Uint8Array | undefined> {
  return (await readValues(device, type, [id])).get(id);
}
