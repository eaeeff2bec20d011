import { createHash } from "node:crypto";
import { isIPv6 } from "node:net";
import { group } from "@wa/schema";
import { z } from "zod";
import { isAlreadyExists, isConflict } from "../kube/api-error.ts";
import { leases, type Lease } from "../kube/lease-state.ts";
import { resource, type Resource } from "../kube/resource.ts";
import type { Transport } from "../kube/transport.ts";
import { emptyLedger, type StartLedger } from "../plan/start-ledger.ts";

const annotation = `${group}/starts`;

const Entries = z.array(z.object({ dueMs: z.number(), nonce: z.string() }));
const Stored = z.object({
  login: Entries,
  registration: Entries,
  closedUntilMs: z.number(),
  keepMs: z.number().default(0),
});

/** An address as its ledger counts it: a /64 for IPv6, because a machine has all of it. */
function subjectOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = "", tail = ""] = address.split("::");
  const parts = (text: string) => text.split(":").filter((part) => part !== "");
  const missing = Math.max(0, 8 - parts(head).length - parts(tail).length);
  const full = address.includes("::")
    ? [...parts(head), ...Array.from({ length: missing }, () => "0"), ...parts(tail)]
    : parts(head);
  return `${full
    .slice(0, 4)
    .map((part) => Number.parseInt(part, 16).toString(16))
    .join(":")}::/64`;
}

/** Name of the Lease of an address or, while none is known, of an endpoint: by hash, because an IPv6 address is no name. */
export function ledgerName(subject: string): string {
  return `starts-${createHash("sha256").update(subjectOf(subject)).digest("hex").slice(0, 20)}`;
}

/** What was read, and the version that a write must meet. */
interface Found {
  readonly ledger: StartLedger;
  readonly resourceVersion: string | undefined;
}

/** A write met another one's: read again. */
export class LedgerRaceError extends Error {
  override readonly name = "LedgerRaceError";
}

/**
 * Start ledgers as Leases, read past every cache and written by compare-and-swap. A ledger that this process knows and that
 * vanished, or that nobody can read, is closed for one window: an unknown past counts as a full one.
 */
export class LedgerLeases {
  readonly #leases: Resource<Lease>;
  readonly #namespace: string;
  readonly #known = new Set<string>();

  constructor(transport: Transport, namespace: string) {
    this.#leases = resource(transport, leases);
    this.#namespace = namespace;
  }

  async read(name: string, closeUntilMs: () => number): Promise<Found> {
    const lease = await this.#leases.get({ namespace: this.#namespace, name });
    if (lease === undefined) {
      const closed = this.#known.has(name) ? closeUntilMs() : 0;
      return { ledger: { ...emptyLedger, closedUntilMs: closed }, resourceVersion: undefined };
    }
    const { resourceVersion, annotations } = lease.metadata;
    const ledger = parse(annotations[annotation]) ?? { ...emptyLedger, closedUntilMs: closeUntilMs() };
    return { ledger, resourceVersion };
  }

  /** @throws {LedgerRaceError} when somebody wrote since it was read. */
  async write(name: string, { ledger, resourceVersion }: Found): Promise<void> {
    const annotations = { [annotation]: JSON.stringify(ledger) };
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
      if (isConflict(error) || isAlreadyExists(error))
        throw new LedgerRaceError(`ledger ${name} was written meanwhile`);
      throw error;
    }
  }
}

function parse(text: string | undefined): StartLedger | undefined {
  try {
    const parsed = Stored.safeParse(JSON.parse(text ?? ""));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
