import { setTimeout as sleep } from "node:timers/promises";
import { clipped, type Assignment } from "@wa/schema";
import type { Standing } from "../session/report.ts";
import type { ClientDevice } from "./client.ts";
import type { Pod } from "./pod.ts";
import { StoreRefusedError, StoreUnavailableError, type Claim } from "./ports.ts";

/** Between two questions to a store that did not answer. */
export const storeRetryMs = 2_000;

export type Taken =
  /** The device is linked where the store has credentials. */
  | { readonly kind: "Owned"; readonly claim: Claim; readonly device: ClientDevice | undefined }
  | { readonly kind: "NotOwned"; readonly standing: Standing; readonly isRetried: boolean };

/** Claims a device and reads its credentials. Never rejects. */
export async function takeDevice(pod: Pod, { device, epoch, dataKeys }: Assignment): Promise<Taken> {
  try {
    const result = await pod.store.claim({ device: pod.keyOf(device), epoch, owner: pod.owner, dataKeys });
    if (result.kind === "Refused") {
      const standing = { kind: "ClaimRefused", storedEpoch: result.storedEpoch } as const;
      return { kind: "NotOwned", standing, isRetried: false };
    }
    const stored = await result.claim.readCreds();
    return {
      kind: "Owned",
      claim: result.claim,
      device: stored === undefined ? undefined : pod.library.restore(stored),
    };
  } catch (error) {
    return { kind: "NotOwned", standing: standingBy(error), isRetried: true };
  }
}

type Ownership = { readonly kind: "Owned" | "Lost" } | { readonly kind: "StoreUnavailable"; readonly message: string };

/** Whether the claim is still the newest one. Never rejects. */
export async function askOwnership(claim: Claim | undefined): Promise<Ownership> {
  try {
    return { kind: (await claim?.stillOwned()) === true ? "Owned" : "Lost" };
  } catch (error) {
    return { kind: "StoreUnavailable", message: describe(error) };
  }
}

function standingBy(error: unknown): Standing {
  const message = describe(error);
  if (error instanceof StoreUnavailableError) return { kind: "StoreUnavailable", message };
  const reason = error instanceof StoreRefusedError ? error.reason : "CredentialsUnreadable";
  return { kind: "StoreRefused", reason, message };
}

/** Works until the store took it, however long it is away; `Lost`: the device is somebody else's. */
export async function untilStored(work: () => Promise<void>): Promise<"Stored" | "Lost"> {
  for (;;) {
    try {
      await work();
      return "Stored";
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) return "Lost";
      await sleep(storeRetryMs, undefined, { ref: false });
    }
  }
}

const longestDescription = 200;

export const describe = (error: unknown): string =>
  clipped(error instanceof Error ? error.message : "unknown fault", longestDescription);
