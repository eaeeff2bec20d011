import type { Bucket, Grant } from "@wa/schema";
import { Timers } from "./timers.ts";

/** WhatsApp itself asked for a restart: it is charged like any start, and waits for nobody who does not answer. */
const restartPatienceMs = 2_000;

export interface TurnListener {
  /** The start is due now, and void from `endMs` of the monotonic clock on; the session has left the queue. */
  readonly onDue: (bucket: Bucket, endMs: number) => void;
  readonly onQueueChange: () => void;
}

/** A session's place in the queue for a start. */
export class Turn {
  readonly #listener: TurnListener;
  readonly #timers = new Timers<"start" | "patience">();
  #bucket: Bucket | undefined;
  #isGranted = false;

  constructor(listener: TurnListener) {
    this.#listener = listener;
  }

  /** What the session waits for; undefined while it waits for nothing. */
  get bucket(): Bucket | undefined {
    return this.#bucket;
  }

  take(bucket: Bucket): void {
    this.#bucket = bucket;
    this.#isGranted = false;
    if (bucket === "restart") this.#timers.set("patience", restartPatienceMs, () => this.#due(Infinity));
    this.#listener.onQueueChange();
  }

  leave(): void {
    this.#timers.clearAll();
    if (this.#bucket === undefined) return;
    this.#bucket = undefined;
    this.#listener.onQueueChange();
  }

  /** A grant for another bucket, or a second one, changes nothing; one that is void already is asked for again. */
  grant({ bucket, startInMs, validForMs }: Grant): void {
    if (this.#bucket !== bucket || this.#isGranted) return;
    if (validForMs < 0) return this.take(bucket);
    this.#isGranted = true;
    const endMs = performance.now() + startInMs + validForMs;
    this.#timers.set("start", startInMs, () => {
      if (performance.now() <= endMs) this.#due(endMs);
      else this.take(bucket);
    });
  }

  #due(endMs: number): void {
    const bucket = this.#bucket;
    this.leave();
    if (bucket !== undefined) this.#listener.onDue(bucket, endMs);
  }
}
