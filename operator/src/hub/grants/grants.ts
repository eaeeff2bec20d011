import { createHash, randomBytes } from "node:crypto";
import { grantTiming, linkTiming, mostStarts, type Bucket, type DeviceRef, type Grant } from "@wa/schema";
import type { Budget } from "../links.ts";
import type { LedgerBooks, SteadyClock } from "./ledger-books.ts";
import { Page } from "./page.ts";
import { longestWindowMs, withoutStarts, withTold, type Told } from "./start-ledger.ts";

export interface StartRequest {
  readonly device: DeviceRef;
  readonly bucket: Bucket;
}

/** A session pod that asks for starts. */
export interface AskingPod {
  readonly uid: string;
  readonly namespace: string;
  readonly endpoint: string;
  /** It voids a grant that was on its way for too long. */
  readonly voidsLateGrants: boolean;
}

/** A start that a pod made without a leader. */
export interface SelfStart {
  readonly bucket: Bucket;
  readonly madeMs: number;
  readonly id: string;
}

export interface Answer {
  /** Those of before among them, as long as they wait. */
  readonly grants: readonly Grant[];
  readonly fresh: readonly Bucket[];
  /** When to answer again, because not everybody got a time; undefined: everybody did. */
  readonly againInMs: number | undefined;
}

/** A grant that was given and not yet seen to be used. */
interface Given extends StartRequest {
  readonly nonce: string;
  readonly dueMs: number;
  readonly ledgers: readonly string[];
}

/** What is remembered of a pod until it is gone. */
interface Account {
  /** By device and bucket. */
  readonly given: Map<string, Given>;
  /** Devices whose pairing has had its restart. */
  readonly restarted: Set<string>;
}

type EndpointName = readonly [namespace: string, endpoint: string];

const { validForMs, mostOnTheWayMs } = grantTiming;
/** What an old pod counts from its arrival may have been on the way until the link is given up. */
const lateMs = linkTiming.deadAfterMs + linkTiming.pingIntervalMs - mostOnTheWayMs;

const requestKey = ({ device, bucket }: StartRequest): string => `${device.uid}/${bucket}`;
const newNonce = (): string => randomBytes(6).toString("base64url");

/** Turns pods' requests into grants, out of the ledgers of their endpoints' addresses. */
export class Grants {
  readonly #books: LedgerBooks;
  readonly #budgetOf: (...endpoint: EndpointName) => Budget;
  readonly #nowMs: SteadyClock["nowMs"];
  /** By pod UID. */
  readonly #accounts = new Map<string, Account>();

  constructor(books: LedgerBooks, budgetOf: (...endpoint: EndpointName) => Budget, clock: SteadyClock) {
    this.#books = books;
    this.#budgetOf = budgetOf;
    this.#nowMs = clock.nowMs;
  }

  /**
   * Answers a pod's whole queue in one go, with times that may lie ahead, as far as one window reaches. What is no longer asked for
   * is given back. A request that has a grant already gets the same one again.
   */
  async answer(pod: AskingPod, requests: readonly StartRequest[]): Promise<Answer> {
    const account = this.#accountOf(pod.uid);
    const wanted = new Set(requests.map(requestKey));
    const unwanted = [...account.given].filter(([key]) => !wanted.has(key));
    for (const [key] of unwanted) account.given.delete(key);
    await this.#giveBack(unwanted.map(([, given]) => given));
    const fresh = requests.filter((request) => this.#isOwed(request, account));
    // One whose time is past is no grant any more, also where there is none to take its place.
    for (const request of fresh) account.given.delete(requestKey(request));
    const { taken, againInMs } = await this.#take(pod, fresh);
    for (const given of taken) note(given, account);
    const nowMs = this.#nowMs();
    const grants = requests.flatMap((request) => grantOf(account.given.get(requestKey(request)), nowMs));
    return { grants, fresh: taken.map(({ bucket }) => bucket), againInMs };
  }

  /** Starts that a pod made by itself while nobody led. Those that no window reaches back to are nothing. */
  async charge(pod: AskingPod, starts: readonly SelfStart[]): Promise<void> {
    const budget = this.#budgetOf(pod.namespace, pod.endpoint);
    const keepMs = longestWindowMs([budget.limits]);
    await this.#books.change(budget, (books, nowMs) => {
      const told = newest(starts, { nowMs, keepMs }).map(({ bucket, madeMs, id }): Told => ({
        bucket,
        dueMs: Math.min(madeMs, nowMs),
        nonce: nonceOf(pod.uid, id),
      }));
      if (told.length === 0) return { books: undefined, result: undefined };
      return {
        books: books.map((book) => ({ ...book, ledger: withTold(book.ledger, book.claim, told) })),
        result: undefined,
      };
    });
  }

  /** The pod is gone: what it did not use is free again. */
  async forget(podUid: string): Promise<void> {
    const account = this.#accounts.get(podUid);
    this.#accounts.delete(podUid);
    await this.#giveBack([...(account?.given.values() ?? [])]);
  }

  #accountOf(podUid: string): Account {
    const account = this.#accounts.get(podUid) ?? { given: new Map(), restarted: new Set() };
    this.#accounts.set(podUid, account);
    return account;
  }

  /** A pairing ends with one restart: another one without a registration between is nobody's wish but the pod's. */
  #isOwed(request: StartRequest, { given, restarted }: Account): boolean {
    if (request.bucket === "restart" && restarted.has(request.device.uid)) return false;
    const found = given.get(requestKey(request));
    return found === undefined || this.#nowMs() >= found.dueMs;
  }

  async #take(
    pod: AskingPod,
    requests: readonly StartRequest[],
  ): Promise<{ readonly taken: readonly Given[]; readonly againInMs: number | undefined }> {
    if (requests.length === 0) return { taken: [], againInMs: undefined };
    const nonces = requests.map(newNonce);
    const budget = this.#budgetOf(pod.namespace, pod.endpoint);
    const ledgers = budget.draws.map(({ ledger }) => ledger);
    return await this.#books.change(budget, (found, nowMs) => {
      const unsure = new Set(nonces);
      const books = found.map((book) => ({ ...book, ledger: withoutStarts(book.ledger, unsure, -Infinity) }));
      const page = new Page(books, nowMs, pod.voidsLateGrants ? 0 : lateMs);
      const taken = requests.flatMap((request, place): Given[] => {
        const nonce = nonces[place] ?? "";
        const dueMs = page.enter(request.bucket, nonce);
        return dueMs === undefined ? [] : [{ ...request, nonce, dueMs, ledgers }];
      });
      return { books: page.written(), result: { taken, againInMs: page.againInMs } };
    });
  }

  async #giveBack(grants: readonly Given[]): Promise<void> {
    const unused = grants.filter(({ dueMs }) => dueMs > this.#nowMs());
    const nonces = new Set(unused.map(({ nonce }) => nonce));
    for (const name of new Set(unused.flatMap(({ ledgers }) => ledgers)))
      await this.#books.changeIfThere(name, (ledger, nowMs) => withoutStarts(ledger, nonces, nowMs));
  }
}

function note(given: Given, { given: all, restarted }: Account): void {
  all.set(requestKey(given), given);
  if (given.bucket === "restart") restarted.add(given.device.uid);
  if (given.bucket === "registration") restarted.delete(given.device.uid);
}

function grantOf(given: Given | undefined, nowMs: number): Grant[] {
  if (given === undefined) return [];
  const { device, bucket, nonce, dueMs } = given;
  return [{ device, bucket, nonce, startInMs: Math.max(0, Math.ceil(dueMs - nowMs)), validForMs }];
}

/** As many as a ledger could count, the newest. */
export function newest(
  starts: readonly SelfStart[],
  { nowMs, keepMs }: { readonly nowMs: number; readonly keepMs: number },
): SelfStart[] {
  return starts
    .filter(({ madeMs }) => nowMs - madeMs <= keepMs)
    .toSorted((a, b) => b.madeMs - a.madeMs)
    .slice(0, mostStarts);
}

/** The same start told again is the same entry. */
const nonceOf = (podUid: string, id: string): string =>
  createHash("sha256").update(`${podUid}/${id}`).digest("base64url").slice(0, 8);
