/** What becomes of one more Event. */
export type EventDecision =
  | { readonly kind: "Create" }
  /** The same one again: its series counts. */
  | { readonly kind: "Repeat"; readonly eventName: string; readonly count: number }
  | { readonly kind: "Drop" };

export interface EventFacts {
  /** UID of the object that it is about. */
  readonly about: string;
  readonly type: string;
  readonly reason: string;
  readonly message: string;
}

/** client-go's numbers: 25 Events of one object at once, then one every five minutes. */
const burst = 25;
const refillMs = 300_000;
/** client-go's series end when nothing repeats for six minutes. */
const seriesMs = 360_000;
/** Objects remembered; the one silent for longest goes first. */
const maxObjects = 4_096;

interface Remembered {
  tokens: number;
  filledAtMs: number;
  readonly series: Map<string, { eventName: string; count: number; lastMs: number }>;
}

/** Keeps one object's loop from filling etcd with Events: a token bucket per object, and series for repeats. */
export class EventBudget {
  readonly #objects = new Map<string, Remembered>();

  decide(facts: EventFacts, nowMs: number): EventDecision {
    const known = this.#remembered(facts.about, nowMs);
    const series = known.series.get(seriesKey(facts));
    if (!spend(known, nowMs)) return { kind: "Drop" };
    if (series === undefined || nowMs - series.lastMs > seriesMs) return { kind: "Create" };
    series.count += 1;
    series.lastMs = nowMs;
    return { kind: "Repeat", eventName: series.eventName, count: series.count };
  }

  /** The Event was created under this name. */
  created(facts: EventFacts, eventName: string, nowMs: number): void {
    const { series } = this.#remembered(facts.about, nowMs);
    for (const [key, { lastMs }] of series) if (nowMs - lastMs > seriesMs) series.delete(key);
    series.set(seriesKey(facts), { eventName, count: 1, lastMs: nowMs });
  }

  #remembered(about: string, nowMs: number): Remembered {
    const known = this.#objects.get(about) ?? { tokens: burst, filledAtMs: nowMs, series: new Map() };
    this.#objects.delete(about);
    this.#objects.set(about, known);
    const [oldest] = this.#objects.keys();
    if (this.#objects.size > maxObjects && oldest !== undefined) this.#objects.delete(oldest);
    return known;
  }
}

function spend(bucket: Remembered, nowMs: number): boolean {
  const gained = Math.floor((nowMs - bucket.filledAtMs) / refillMs);
  bucket.tokens = Math.min(burst, bucket.tokens + gained);
  bucket.filledAtMs += gained * refillMs;
  if (bucket.tokens === 0) return false;
  bucket.tokens -= 1;
  return true;
}

function seriesKey({ type, reason, message }: EventFacts): string {
  return JSON.stringify([type, reason, message]);
}
