import { createHash } from "node:crypto";
import { addressBlock, group, observedAddress } from "@wa/schema";
import { isAlreadyExists, isConflict, isNotFound } from "../../kube/api-error.ts";
import { leases, type Lease } from "../../kube/lease-state.ts";
import { resource, type Resource } from "../../kube/resource.ts";
import type { Transport } from "../../kube/transport.ts";
import { ledgerOf, textOf } from "./ledger-text.ts";
import { emptyLedger, type StartLedger } from "./start-ledger.ts";

const annotation = `${group}/starts`;
const prefix = "starts-";

/**
 * Name of the Lease of an address or of an endpoint's own ledger: by hash, because an IPv6 address is no name.
 *
 * @param subject an address, or `namespace/name` of an endpoint
 */
export function ledgerName(subject: string): string {
  const address = observedAddress(subject);
  const counted = address === undefined ? subject : addressBlock(address);
  return `${prefix}${createHash("sha256").update(counted).digest("hex").slice(0, 20)}`;
}

/** How pools are named in ledgers: short, and nobody's name for others to read. */
export const poolCode = (pool: string): string =>
  createHash("sha256").update(pool).digest("base64url").slice(0, codeLength);
const codeLength = 10;

/** What was read, and the version that a write must meet. */
export interface Found {
  /** Undefined: there is none, or nobody can read it. */
  readonly ledger: StartLedger | undefined;
  readonly lease: Pick<Lease["metadata"], "resourceVersion" | "uid"> | undefined;
  /** There is none, and this process knows that there was one. */
  readonly hasVanished: boolean;
}

/** A write met another one's: read again. */
export class LedgerRaceError extends Error {
  override readonly name = "LedgerRaceError";
}

/** Start ledgers as Leases, read past every cache and written by compare-and-swap. */
export class LedgerLeases {
  readonly #leases: Resource<Lease>;
  readonly #namespace: string;
  readonly #known = new Set<string>();

  constructor(transport: Transport, namespace: string) {
    this.#leases = resource(transport, leases);
    this.#namespace = namespace;
  }

  async read(name: string): Promise<Found> {
    const lease = await this.#leases.get({ namespace: this.#namespace, name });
    if (lease === undefined) return { ledger: undefined, lease: undefined, hasVanished: this.#known.has(name) };
    this.#known.add(name);
    return { ledger: ledgerOf(lease.metadata.annotations[annotation]), lease: lease.metadata, hasVanished: false };
  }

  /** @throws {LedgerRaceError} when somebody wrote since it was read. */
  async write(name: string, ledger: StartLedger, { lease }: Pick<Found, "lease">): Promise<void> {
    const annotations = { [annotation]: textOf(ledger) };
    const { resourceVersion } = lease ?? {};
    try {
      if (resourceVersion === undefined)
        await this.#leases.create({ metadata: { name, namespace: this.#namespace, annotations }, spec: {} });
      else
        await this.#leases.mergePatch(
          { namespace: this.#namespace, name },
          { metadata: { resourceVersion, annotations } },
        );
      this.#known.add(name);
    } catch (error) {
      if (isConflict(error) || isAlreadyExists(error) || (resourceVersion !== undefined && isNotFound(error)))
        throw new LedgerRaceError(`ledger ${name} was written meanwhile`);
      throw error;
    }
  }

  /** Makes an empty ledger where there is none; whatever there is stays as it is. */
  async open(name: string): Promise<void> {
    const { lease, hasVanished } = await this.read(name);
    // One that vanished has to be closed by whoever needs it.
    if (lease !== undefined || hasVanished) return;
    await this.write(name, emptyLedger, { lease: undefined }).catch((error: unknown) => {
      if (!(error instanceof LedgerRaceError)) throw error;
    });
  }

  async names(): Promise<string[]> {
    const found = await this.#leases.list({ namespace: this.#namespace });
    return found.map(({ metadata }) => metadata.name).filter((name) => name.startsWith(prefix));
  }

  /** False: somebody wrote since it was read. */
  async remove(name: string, { lease }: Pick<Found, "lease">): Promise<boolean> {
    if (lease === undefined) return true;
    const { uid, resourceVersion } = lease;
    const isRemoved = await this.#leases.delete({ namespace: this.#namespace, name }, { uid, resourceVersion });
    if (isRemoved) this.#known.delete(name);
    return isRemoved;
  }
}
