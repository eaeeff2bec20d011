import { setTimeout as sleep } from "node:timers/promises";
import { clipped, type Assignment } from "@wa/schema";
import type { ClaimAnswer, Effect, OwnershipAnswer, SessionEvent, StoreTrouble } from "../session/state.ts";
import type { Browser, ClientDevice } from "./client.ts";
import type { Pod } from "./pod.ts";
import { StoreRefusedError, StoreUnavailableError, type Claim } from "./ports.ts";

/** Between two tries to store something. */
const storeRetryMs = 2_000;

interface OwnedDevice {
  readonly claim: Claim;
  /** Linked where the store has credentials. */
  readonly device?: ClientDevice | undefined;
}

/** What a session holds of its device in the store, and its questions to the store. None of them rejects. */
export class Ownership {
  readonly #pod: Pod;
  #owned: OwnedDevice | undefined;

  constructor(pod: Pod) {
    this.#pod = pod;
  }

  get claim(): Claim | undefined {
    return this.#owned?.claim;
  }

  /** The browser that a linked device keeps. */
  get linkedAs(): Browser | undefined {
    const device = this.#owned?.device;
    return device?.isPaired === true ? device.browser : undefined;
  }

  /** An unlinked device starts afresh each time: what a given-up pairing left behind would be refused as logged out. */
  deviceToOpen(browser: Browser): { readonly claim: Claim; readonly device: ClientDevice } | undefined {
    if (this.#owned === undefined) return undefined;
    const { claim, device: before } = this.#owned;
    const device = before?.isPaired === true ? before : this.#pod.library.create(browser);
    this.#owned = { claim, device };
    return { claim, device };
  }

  /** @param isCurrent false: nobody waits for this claim any more */
  async take({ device, epoch, dataKeys }: Assignment, isCurrent: () => boolean): Promise<ClaimAnswer> {
    try {
      const { store, library, keyOf, owner } = this.#pod;
      const result = await store.claim({ device: keyOf(device), epoch, owner, dataKeys });
      if (result.kind === "Refused") return { kind: "ClaimRefused", storedEpoch: result.storedEpoch };
      const stored = await result.claim.readCreds();
      const restored = stored === undefined ? undefined : library.restore(stored);
      if (isCurrent()) this.#owned = { claim: result.claim, device: restored };
      const { isPaired = false, hasLoggedIn = false, identity } = restored ?? {};
      return { kind: "Owned", isPaired, hasLoggedIn, identity };
    } catch (error) {
      return troubleBy(error);
    }
  }

  /** Whether the claim is still the newest one. */
  async ask(): Promise<OwnershipAnswer> {
    try {
      return { kind: (await this.claim?.stillOwned()) === true ? "Owned" : "Lost" };
    } catch (error) {
      return { kind: "StoreUnavailable", message: describe(error) };
    }
  }

  /** Archives or erases the credentials, however long the store is away; the device is an unlinked one then. */
  async putAway(
    effect: Extract<Effect, { kind: "archiveCredentials" | "eraseCredentials" }>,
    isCurrent: () => boolean,
  ): Promise<SessionEvent> {
    const outcome = await untilStored(async () => {
      if (!isCurrent()) return;
      await (effect.kind === "eraseCredentials" ? this.claim?.erase() : this.claim?.archive(effect.reason));
    });
    if (isCurrent() && this.#owned !== undefined) this.#owned = { claim: this.#owned.claim };
    return { kind: effect.kind === "eraseCredentials" ? "erased" : "archived", run: effect.run, outcome };
  }
}

function troubleBy(error: unknown): StoreTrouble {
  const message = describe(error);
  if (error instanceof StoreUnavailableError) return { kind: "StoreUnavailable", message };
  const reason = error instanceof StoreRefusedError ? error.reason : "CredentialsUnreadable";
  return { kind: "StoreRefused", reason, message };
}

/** Works until the store took it, however long it is away; `Lost`: the device is somebody else's. */
async function untilStored(work: () => Promise<void>): Promise<"Stored" | "Lost"> {
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
