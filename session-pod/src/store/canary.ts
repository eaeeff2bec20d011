import type { Transaction } from "kysely";
import { StoreRefusedError } from "../sessions/ports.ts";
import type { Tables } from "./schema.ts";
import { decrypt, encrypt } from "./seal.ts";

const canaryText = Buffer.from("whatsapp-operator");

/** Proof that this process has the installation's master key. */
export interface Canary {
  readonly installation: string;
  readonly keyBase64: string;
}

/** Leaves one where the installation has none. Throws StoreRefusedError for one that another master key made. */
export async function checkCanary(trx: Transaction<Tables>, { installation, keyBase64 }: Canary): Promise<void> {
  const key = Buffer.from(keyBase64, "base64");
  const associated = Buffer.from(installation);
  const row = await trx
    .selectFrom("wa_canary")
    .select("ciphertext")
    .where("installation", "=", installation)
    .executeTakeFirst();
  if (row === undefined) {
    const ciphertext = encrypt(key, associated, canaryText);
    await trx.insertInto("wa_canary").values({ installation, ciphertext }).execute();
    return;
  }
  const plain = decrypt(key, associated, row.ciphertext);
  if (plain === undefined || !canaryText.equals(plain))
    throw new StoreRefusedError(
      "MasterKeyMismatch",
      `the store was filled with another master key of installation ${installation}`,
    );
}
