import type { Asked, Fault, FaultPlan } from "./faults.ts";

/** Numbers from 0 to 1 that a seed repeats (mulberry32). */
export function chanceOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function oneOf<T>(items: readonly T[], chance: () => number): T {
  const item = items[Math.floor(chance() * items.length)];
  if (item === undefined) throw new RangeError("nothing to choose from");
  return item;
}

/** The share of requests of each kind that meets a fault. */
export type Shares = Readonly<Record<Asked["kind"], number>>;

/** Faults at random, of every sort that fits the request. A stream breaks before it has brought `mostLines`. */
export function randomFaults(seed: number, shares: Shares, mostLines = 20): FaultPlan {
  const chance = chanceOf(seed);
  return ({ kind }) => {
    if (chance() >= shares[kind]) return undefined;
    const all = ofAnswers(chance, kind);
    return oneOf(kind === "Watch" ? [...all, ...ofStreams(Math.floor(chance() * mostLines))] : all, chance);
  };
}

function ofAnswers(chance: () => number, kind: Asked["kind"]): readonly Fault[] {
  const isCollection = kind === "List" || kind === "Watch";
  return [
    ...(isCollection ? [{ kind: "Status", status: 410 } as const] : []),
    { kind: "Status", status: 429, retryAfterS: 1 + Math.floor(chance() * 2) },
    { kind: "Status", status: 500 },
    { kind: "Status", status: 503 },
    { kind: "ResetBeforeHeaders", isDone: chance() < 0.5 },
    { kind: "ResetInBody" },
    { kind: "HalfOpen" },
    { kind: "Slow", pieces: 8, pauseMs: Math.floor(chance() * 60) },
  ];
}

function ofStreams(afterLines: number): readonly Fault[] {
  return [
    { kind: "ErrorEvent", status: 410, afterLines },
    { kind: "ErrorEvent", status: 500, afterLines },
    { kind: "ResetInLine", afterLines },
    { kind: "CutLine", afterLines },
    { kind: "Repeat" },
    { kind: "Silent", afterLines },
  ];
}
