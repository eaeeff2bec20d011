import { longestPeriodMs, podAbilities, type HubFrame, type PodFrame } from "@wa/schema";
import type { HubMetrics } from "../metrics.ts";
import { newest, type AskingPod, type Grants, type SelfStart, type StartRequest } from "./grants.ts";
import type { SteadyClock } from "./ledger-books.ts";

type Hello = Extract<PodFrame, { kind: "hello" }>;
type GrantFrame = Extract<HubFrame, { kind: "grant" }>;

export interface StartDeskOptions {
  readonly grants: Grants;
  readonly clock: SteadyClock;
  readonly metrics: Pick<HubMetrics, "grants">;
  /** Whether a link of this pod stands: nobody else can be granted anything. */
  readonly isLinked: (podUid: string) => boolean;
  /** UIDs of the devices that a pod is to run: nothing is granted for others. */
  readonly assigned: (podUid: string) => ReadonlySet<string>;
  readonly send: (podUid: string, grants: GrantFrame["grants"]) => void;
  /** A ledger was not reached: the pod asks again when it links again. */
  readonly onFailed: (podUid: string, error: unknown) => void;
}

interface Seat {
  readonly pod: AskingPod;
  /** The newest queue that the pod told. */
  queue: readonly StartRequest[];
  isAnswered: boolean;
  isBusy: boolean;
  isGone: boolean;
  timer: NodeJS.Timeout | undefined;
}

/**
 * Where session pods ask for starts. Of one pod one request is answered at a time, and of all that come meanwhile the newest alone. Who
 * got no time is answered again when there is one to give.
 */
export class StartDesk {
  readonly #options: StartDeskOptions;
  /** By pod UID. */
  readonly #seats = new Map<string, Seat>();

  constructor(options: StartDeskOptions) {
    this.#options = options;
  }

  /**
   * Enters what a pod started while no leader answered. Call it before the welcome: a pod of the first release forgets its starts at
   * the welcome, and nothing may be granted before they count.
   *
   * @returns ids of the starts that the pod need not tell again
   */
  async charge(pod: Omit<AskingPod, "voidsLateGrants">, { selfGranted, abilities }: Hello): Promise<string[]> {
    const asking = { ...pod, voidsLateGrants: abilities.includes(podAbilities.lateGrants) };
    this.#seat(asking);
    if (selfGranted.length === 0) return [];
    const nowMs = this.#options.clock.nowMs();
    const starts = selfGranted.map(({ bucket, agoMs, id }, place): SelfStart => {
      const madeMs = nowMs - Math.max(0, agoMs);
      return { bucket, madeMs, id: id ?? `${nowMs}/${place}` };
    });
    await this.#options.grants.charge(asking, newest(starts, { nowMs, keepMs: longestPeriodMs }));
    return selfGranted.flatMap(({ id }) => id ?? []);
  }

  /** The pod's whole queue. */
  asks(podUid: string, queue: readonly StartRequest[]): void {
    const seat = this.#seats.get(podUid);
    if (seat === undefined) return;
    seat.queue = queue;
    seat.isAnswered = false;
    this.#run(seat);
  }

  /** The pod is gone: what it did not use is free again. */
  forget(podUid: string): void {
    const seat = this.#seats.get(podUid);
    this.#seats.delete(podUid);
    if (seat === undefined) return;
    seat.isGone = true;
    this.#run(seat);
  }

  stop(): void {
    for (const { timer } of this.#seats.values()) clearTimeout(timer);
    this.#seats.clear();
  }

  /** Another link of the same pod asks anew for all that it waits for. */
  #seat(pod: AskingPod): void {
    const before = this.#seats.get(pod.uid);
    clearTimeout(before?.timer);
    const seat = { pod, queue: [], isAnswered: true, isGone: false, timer: undefined };
    if (before === undefined) this.#seats.set(pod.uid, { ...seat, isBusy: false });
    else Object.assign(before, seat);
  }

  #run(seat: Seat): void {
    if (seat.isBusy) return;
    seat.isBusy = true;
    clearTimeout(seat.timer);
    void this.#work(seat)
      .catch((error: unknown) => {
        this.#options.onFailed(seat.pod.uid, error);
      })
      .finally(() => {
        seat.isBusy = false;
        if (seat.isGone) void this.#release(seat);
      });
  }

  async #work(seat: Seat): Promise<void> {
    while (!seat.isAnswered && !seat.isGone && this.#options.isLinked(seat.pod.uid)) {
      seat.isAnswered = true;
      await this.#answer(seat);
    }
  }

  async #release({ pod }: Seat): Promise<void> {
    await this.#options.grants.forget(pod.uid).catch((error: unknown) => {
      this.#options.onFailed(pod.uid, error);
    });
  }

  async #answer(seat: Seat): Promise<void> {
    const { grants, metrics, assigned, send } = this.#options;
    const { pod, queue } = seat;
    const devices = assigned(pod.uid);
    const answer = await grants.answer(
      pod,
      queue.filter(({ device }) => devices.has(device.uid)),
    );
    for (const bucket of answer.fresh) metrics.grants.inc({ bucket });
    if (answer.grants.length > 0) send(pod.uid, [...answer.grants]);
    if (answer.againInMs === undefined || this.#seats.get(pod.uid) !== seat) return;
    seat.timer = setTimeout(() => {
      seat.isAnswered = false;
      this.#run(seat);
    }, answer.againInMs);
  }
}
