import { keyOf, wishKey, type Memory, type PodFacts } from "../plan/world.ts";

/** What this process remembers of its own acts; see {@link Memory}. Instants are of the monotonic clock. */
export class OperatorMemory implements Memory {
  readonly podEnds = new Map<string, { readonly count: number; readonly lastMs: number }>();
  readonly podRefusals = new Map<string, string>();
  readonly emptySinceMs = new Map<string, number>();
  readonly lastWishedMs = new Map<string, number>();
  /** Pods that hold the name of one of ours and carry neither our labels nor our nonce. */
  readonly foreignPods = new Map<string, PodFacts>();

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
