import { maxEpoch, maxEpochLead, type DataKey } from "@wa/schema";
import type { Claim, ClaimRequest, DeviceKey, GenerationStore } from "../sessions/ports.ts";
import { credsPlace } from "./batch.ts";
import { inFence, isOwned, isSuperseded, type Fence } from "./fence.ts";
import { Generation } from "./generation.ts";
import { readValue, type OwnedDevice } from "./read-values.ts";
import type { Database } from "./schema.ts";
import { createSealer, type Sealer } from "./seal.ts";
import type { OnSetAside } from "./set-aside.ts";
import { orUnavailable, type OnTrouble } from "./trouble.ts";

export type ClaimOutcome =
  | { readonly kind: "Granted"; readonly fence: Fence }
  | { readonly kind: "Refused"; readonly storedEpoch: number };

/**
 * Takes the device's row when the epoch is newer, or the same and held by the same owner; the incarnation rises with every
 * grant. A row that lies further above than any honest claim is taken over too: somebody wrote it by hand. In a transaction for
 * its deadline: a statement that the client gave up on must not raise the row afterwards.
 */
export async function takeRow(database: Database, { device, epoch, owner }: ClaimRequest): Promise<ClaimOutcome> {
  return await database.db.transaction().execute(async (trx) => {
    const granted = await trx
      .insertInto("wa_device")
      .values({ key: device, epoch, owner, incarnation: 1 })
      .onConflict((conflict) =>
        conflict
          .column("key")
          .doUpdateSet((row) => ({
            epoch: row.ref("excluded.epoch"),
            owner: row.ref("excluded.owner"),
            incarnation: row
              .case()
              .when("wa_device.incarnation", "<=", maxEpoch)
              .then(row("wa_device.incarnation", "+", 1))
              .else(row.lit(1))
              .end(),
          }))
          .where((row) =>
            row.or([
              row("wa_device.epoch", "<", row.ref("excluded.epoch")),
              row("wa_device.epoch", ">", Math.min(epoch + maxEpochLead, maxEpoch + 1)),
              row.and([
                row("wa_device.epoch", "=", row.ref("excluded.epoch")),
                row("wa_device.owner", "=", row.ref("excluded.owner")),
              ]),
            ]),
          ),
      )
      .returning("incarnation")
      .executeTakeFirst();
    if (granted) return { kind: "Granted", fence: { device, epoch, incarnation: granted.incarnation } };
    const row = await trx.selectFrom("wa_device").select("epoch").where("key", "=", device).executeTakeFirstOrThrow();
    return { kind: "Refused", storedEpoch: row.epoch };
  });
}

export interface StoreClaimOptions {
  readonly database: Database;
  readonly fence: Fence;
  readonly dataKeys: readonly DataKey[];
  readonly onTrouble: OnTrouble;
  readonly onSetAside: OnSetAside;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
}

/** Ownership of one device, on a database. */
export class StoreClaim implements Claim {
  readonly device: DeviceKey;
  readonly epoch: number;
  readonly incarnation: number;
  readonly sealer: Sealer;
  readonly #owned: OwnedDevice;
  readonly #onTrouble: OnTrouble;
  readonly #onSetAside: OnSetAside;
  readonly #nowMs: () => number;
  #generation: Generation | undefined;

  constructor({ database, fence, dataKeys, onTrouble, onSetAside, nowMs }: StoreClaimOptions) {
    this.device = fence.device;
    this.epoch = fence.epoch;
    this.incarnation = fence.incarnation;
    this.sealer = createSealer(fence.device, dataKeys);
    this.#owned = { database, fence, sealer: this.sealer };
    this.#onTrouble = onTrouble;
    this.#onSetAside = onSetAside;
    this.#nowMs = nowMs;
  }

  async stillOwned(): Promise<boolean> {
    return isOwned(this.#owned.fence, await this.#row("stillOwned"));
  }

  async isSuperseded(): Promise<boolean> {
    return isSuperseded(this.#owned.fence, await this.#row("isSuperseded"));
  }

  /** Locked, which only a primary does: a standby may show the row as it was before somebody else's claim. */
  async #row(operation: string) {
    const { database, fence } = this.#owned;
    return await orUnavailable(operation, () =>
      database.db
        .selectFrom("wa_device")
        .select(["epoch", "incarnation"])
        .where("key", "=", fence.device)
        .$if(database.kind === "postgres", (query) => query.forShare())
        .executeTakeFirst(),
    );
  }

  openGeneration(): GenerationStore {
    const before = this.#generation;
    before?.close();
    this.#generation = new Generation({
      owned: this.#owned,
      generation: (before?.generation ?? 0) + 1,
      after: before?.settled() ?? Promise.resolve(),
      onTrouble: this.#onTrouble,
      onSetAside: this.#onSetAside,
    });
    return this.#generation;
  }

  async readCreds(): Promise<Uint8Array | undefined> {
    await this.#generation?.settled();
    return await orUnavailable("readCreds", () => readValue(this.#owned, credsPlace));
  }

  async archive(reason: string): Promise<void> {
    await this.closeGeneration();
    const { database, fence } = this.#owned;
    const archivedMs = this.#nowMs();
    await orUnavailable("archive", () =>
      inFence(database, fence, async (trx) => {
        await trx
          .insertInto("wa_archive")
          .columns(["device", "type", "id", "key_id", "ciphertext", "archived_ms", "reason"])
          .expression((from) =>
            from
              .selectFrom("wa_value")
              .where("device", "=", fence.device)
              .select((row) => [
                "device" as const,
                "type" as const,
                "id" as const,
                "key_id" as const,
                "ciphertext" as const,
                row.cast<number>(row.val(archivedMs), "bigint").as("archived_ms"),
                row.cast<string>(row.val(reason), "text").as("reason"),
              ]),
          )
          .execute();
        await trx.deleteFrom("wa_value").where("device", "=", fence.device).execute();
      }),
    );
  }

  async erase(): Promise<void> {
    await this.closeGeneration();
    const { database, fence } = this.#owned;
    await orUnavailable("erase", () =>
      inFence(database, fence, async (trx) => {
        await trx.deleteFrom("wa_value").where("device", "=", fence.device).execute();
      }),
    );
  }

  /** A socket that still writes would bring back what is archived or erased. */
  async closeGeneration(): Promise<void> {
    this.#generation?.close();
    await this.#generation?.settled();
  }
}
