import type { Refusal } from "../plan/refusals.ts";
import { keyOf, wishKey, type Memory, type PodFacts } from "../plan/world.ts";
import { Refusals, type Answer } from "./refusals.ts";

/** What this process remembers of its own acts; see {@link Memory}. Instants are of the monotonic clock. */
export class OperatorMemory implements Memory {
  readonly podEnds = new Map<string, { readonly count: number; readonly lastMs: number }>();
  readonly #refusals = new Refusals();
  readonly emptySinceMs = new Map<string, number>();
  readonly lastWishedMs = new Map<string, number>();
  /** Pods that hold the name of one of ours and carry neither our labels nor our nonce. */
  readonly foreignPods = new Map<string, PodFacts>();

  get refusals(): ReadonlyMap<string, Refusal> {
    return this.#refusals.standing;
  }

  /** What the API server answered to an act on an object; undefined: it did it. True: what is told of it changes. */
  answered(key: string, answer: Answer | undefined, nowMs: number): boolean {
    return this.#refusals.answered(key, answer, nowMs);
  }

  podEnded(key: string, nowMs: number): void {
    const before = this.podEnds.get(key);
    const isInARow = before !== undefined && nowMs - before.lastMs < inARowMs;
    this.podEnds.set(key, { count: isInARow ? before.count + 1 : 1, lastMs: nowMs });
  }

  /** The pods of `endpointPods` that stand empty now; all others of them do not. */
  noteEmpty(endpointPods: readonly string[], empty: readonly string[], nowMs: number): void {
    for (const key of endpointPods) if (!empty.includes(key)) this.emptySinceMs.delete(key);
    for (const key of empty) if (!this.emptySinceMs.has(key)) this.emptySinceMs.set(key, nowMs);
  }

  wished(podUid: string, deviceUids: readonly string[], nowMs: number): void {
    for (const uid of deviceUids) this.lastWishedMs.set(wishKey(podUid, uid), nowMs);
  }

  /** The pod is history. */
  forgetPod(podUid: string): void {
    for (const key of this.lastWishedMs.keys()) if (key.startsWith(`${podUid}/`)) this.lastWishedMs.delete(key);
  }

  noteForeign(pod: PodFacts): void {
    this.foreignPods.set(keyOf(pod), pod);
  }
}

/** A pod that lived longer than this has ended for another reason than the one before. */
const inARowMs = 10 * 60_000;
