import { randomUUID } from "node:crypto";
import type { Bucket, DeviceRef, Grant } from "@wa/schema";
import {
  earliestMs,
  pruned,
  validForMs,
  windowMs,
  withoutStarts,
  withStart,
  type StartLedger,
  type StartLimit,
} from "../plan/start-ledger.ts";
import type { BudgetOf } from "./links.ts";
import { LedgerRaceError, type LedgerLeases } from "./ledger-lease.ts";

export interface StartRequest {
  readonly device: DeviceRef;
  readonly bucket: Bucket;
}

/** A grant that was given and not yet seen to be used. */
interface Given extends StartRequest {
  readonly nonce: string;
  readonly dueMs: number;
  readonly ledgers: readonly string[];
}

type Budget = ReturnType<BudgetOf>;
type EndpointName = readonly [namespace: string, endpoint: string];

const mostRaces = 20;
const requestKey = ({ device, bucket }: StartRequest): string => `${device.uid}/${bucket}`;

/** The start queue of one endpoint: turns its pods' requests into grants, out of the ledgers of its addresses. */
export class Grants {
  readonly #leases: LedgerLeases;
  readonly #budgetOf: (...endpoint: EndpointName) => Budget;
  readonly #nowMs: () => number;
  /** By pod UID, then by device and bucket. */
  readonly #given = new Map<string, Map<string, Given>>();

  constructor(leases: LedgerLeases, budgetOf: (...endpoint: EndpointName) => Budget, nowMs: () => number) {
    this.#leases = leases;
    this.#budgetOf = budgetOf;
    this.#nowMs = nowMs;
  }

  /**
   * Answers a pod's whole queue in one go, with times that may lie ahead. What is no longer asked for is given back.
   * A request that has a grant already gets the same one again.
   */
  async answer(
    pod: { readonly uid: string; readonly namespace: string; readonly endpoint: string },
    requests: readonly StartRequest[],
  ): Promise<Grant[]> {
    const { ledgers, limits } = this.#budgetOf(pod.namespace, pod.endpoint);
    const given = this.#given.get(pod.uid) ?? new Map<string, Given>();
    this.#given.set(pod.uid, given);
    const wanted = new Set(requests.map(requestKey));
    await this.#giveBack(
      [...given]
        .filter(([key]) => !wanted.has(key))
        .map(([key, grant]) => {
          given.delete(key);
          return grant;
        }),
    );
    const fresh = requests.filter((request) => !this.#isGood(given.get(requestKey(request))));
    for (const granted of await this.#take(fresh, ledgers, limits)) given.set(requestKey(granted), granted);
    const nowMs = this.#nowMs();
    return requests.flatMap((request) => {
      const grant = given.get(requestKey(request));
      if (grant === undefined) return [];
      const { device, bucket, nonce, dueMs } = grant;
      return [{ device, bucket, nonce, startInMs: Math.max(0, Math.round(dueMs - nowMs)), validForMs }];
    });
  }

  /** Starts that a pod made by itself while nobody led. */
  async charge(
    pod: { readonly namespace: string; readonly endpoint: string },
    starts: readonly { readonly bucket: Bucket; readonly agoMs: number }[],
  ): Promise<void> {
    if (starts.length === 0) return;
    const { ledgers, limits } = this.#budgetOf(pod.namespace, pod.endpoint);
    const nowMs = this.#nowMs();
    await this.#change(ledgers, limits, (ledger) =>
      starts.reduce(
        (next, { bucket, agoMs }) => withStart(next, bucket, { dueMs: nowMs - agoMs, nonce: randomUUID() }),
        ledger,
      ),
    );
  }

  /** The pod is gone: what it did not use is free again. */
  async forget(podUid: string): Promise<void> {
    const given = this.#given.get(podUid);
    this.#given.delete(podUid);
    await this.#giveBack([...(given?.values() ?? [])]);
  }

  #isGood(given: Given | undefined): boolean {
    return given !== undefined && this.#nowMs() < given.dueMs;
  }

  async #take(
    requests: readonly StartRequest[],
    ledgers: readonly string[],
    limits: Budget["limits"],
  ): Promise<Given[]> {
    if (requests.length === 0) return [];
    let notBeforeMs = this.#nowMs();
    const nonces = requests.map(() => randomUUID());
    // Every address must have room at the same moment: a later time of one is tried on all again.
    for (;;) {
      const dueMs = await this.#reserve({ requests, nonces, ledgers, limits, notBeforeMs });
      const agreed = dueMs.every((times) => times.every((time) => time === times[0]));
      if (agreed)
        return requests.map((request, place) => ({
          ...request,
          ledgers,
          nonce: nonces[place] ?? "",
          dueMs: dueMs[place]?.[0] ?? 0,
        }));
      notBeforeMs = Math.max(...dueMs.flat());
    }
  }

  /** Times that each ledger gives to each request; the entries stand in the ledgers when it resolves. */
  async #reserve(wish: {
    readonly requests: readonly StartRequest[];
    readonly nonces: readonly string[];
    readonly ledgers: readonly string[];
    readonly limits: Budget["limits"];
    readonly notBeforeMs: number;
  }): Promise<number[][]> {
    const { requests, nonces, ledgers, limits, notBeforeMs } = wish;
    const times: number[][] = requests.map(() => []);
    for (const name of ledgers) {
      await this.#change([name], limits, (found) => {
        let ledger = withoutStarts(found, new Set(nonces), 0);
        for (const [place, { bucket }] of requests.entries()) {
          const limit = bucket === "registration" ? limits.registration : limits.login;
          const dueMs = earliestMs(ledger, bucket, limit, notBeforeMs);
          ledger = withStart(ledger, bucket, { dueMs, nonce: nonces[place] ?? "" });
          times[place] = [...(times[place] ?? []).slice(0, ledgers.indexOf(name)), dueMs];
        }
        return ledger;
      });
    }
    return times;
  }

  async #giveBack(grants: readonly Given[]): Promise<void> {
    const nowMs = this.#nowMs();
    const unused = grants.filter(({ dueMs }) => dueMs > nowMs);
    const nonces = new Set(unused.map(({ nonce }) => nonce));
    const limits = { login: { count: 1, periodMs: 0 }, registration: { count: 1, periodMs: 0 } };
    const names = new Set(unused.flatMap(({ ledgers }) => ledgers));
    await this.#change([...names], limits, (ledger) => withoutStarts(ledger, nonces, this.#nowMs()), {
      isPruning: false,
    });
  }

  async #change(
    names: readonly string[],
    limits: { readonly login: StartLimit; readonly registration: StartLimit },
    change: (ledger: StartLedger) => StartLedger,
    { isPruning } = { isPruning: true },
  ): Promise<void> {
    const keepMs = Math.max(windowMs(limits.login), windowMs(limits.registration));
    for (const name of names)
      await this.#swap(name, keepMs, (ledger) => change(isPruning ? pruned(ledger, this.#nowMs(), keepMs) : ledger));
  }

  /** One compare-and-swap, started over while others write. */
  async #swap(name: string, keepMs: number, change: (ledger: StartLedger) => StartLedger): Promise<void> {
    for (let race = 0; ; race++) {
      try {
        const found = await this.#leases.read(name, () => this.#nowMs() + keepMs);
        return await this.#leases.write(name, { ...found, ledger: change(found.ledger) });
      } catch (error) {
        if (!(error instanceof LedgerRaceError) || race >= mostRaces) throw error;
      }
    }
  }
}
