import type { Assignment, SessionSpec } from "@wa/schema";
import type { Disconnect } from "../src/session/causes.ts";
import { newSession } from "../src/session/starts.ts";
import type { Effect, SessionEvent, SessionState } from "../src/session/state.ts";
import { step } from "../src/session/step.ts";

export const spec: SessionSpec = {
  pairing: { method: "QRCode", phoneNumber: "", windowMs: 100_000 },
  browser: { os: "Mac OS", name: "Chrome", version: "14.4.1" },
  clientVersion: "2.3000.1",
  connectTimeoutMs: 20_000,
  keepAliveIntervalMs: 30_000,
  queryTimeoutMs: 60_000,
  baseDelayMs: 2_000,
  maxDelayMs: 300_000,
  unpairedAttempts: 3,
};
export const identity = { jid: "1:1@s.whatsapp.net", lid: "9:1@lid", pushName: "", platform: "android" };
export const startMs = Date.parse("2026-01-01T00:00:00Z");
export const assignment: Assignment = {
  device: { namespace: "shop", name: "till", uid: "u-till" },
  epoch: 1,
  dataKeys: [],
  spec,
  desired: "Running",
  pairRequestedAt: "",
};

/** What happens to a session whose store always answers: a claim is granted, and the owner is asked in vain. */
type Happening =
  | Exclude<SessionEvent, { kind: "granted" }>
  | { readonly kind: "started"; readonly isPaired: boolean; readonly hasLoggedIn: boolean }
  | { readonly kind: "granted" }
  | { readonly kind: "loggedOut" };

/** An effect without the number of its question: which one it was is told apart in tests of late answers alone. */
type Did = Effect extends infer One ? Omit<One, "run"> : never;
function withoutRun(effect: Effect): Did {
  if (!("run" in effect)) return effect;
  const { run: _run, ...did } = effect;
  return did;
}

/** A session driven by events; remembers all effects but the questions that the store has answered. */
export class Driven {
  state: SessionState;
  effects: Did[] = [];
  nowMs = startMs;

  constructor(desired: Assignment["desired"] = "Running", changes: Partial<SessionSpec> = {}) {
    this.state = newSession({ ...assignment, desired, spec: { ...spec, ...changes } }, {});
  }

  does(...happenings: readonly Happening[]): this {
    for (const happening of happenings) {
      for (const event of this.#eventsOf(happening)) {
        this.effects = [];
        this.#step(event);
      }
    }
    return this;
  }

  after(delayMs: number): this {
    this.nowMs += delayMs;
    return this;
  }

  /** An attempt that ends so. */
  fails(disconnect: Disconnect, more: { expire?: string } = {}): this {
    return this.does({ kind: "granted" }, closed(disconnect, more));
  }

  #eventsOf(happening: Happening): SessionEvent[] {
    const run = this.state.run + 1;
    switch (happening.kind) {
      case "started": {
        const { isPaired, hasLoggedIn } = happening;
        const answer = { kind: "Owned" as const, isPaired, hasLoggedIn };
        return [{ kind: "start" }, { kind: "claimAnswered", run, answer }];
      }
      case "granted":
        return [{ kind: "granted", endMs: Infinity }];
      case "loggedOut":
        return [{ kind: "erased", run: this.state.run, outcome: "Stored" }];
      default:
        return [happening];
    }
  }

  #step(event: SessionEvent): void {
    const [state, effects] = step(this.state, event, { nowMs: this.nowMs, uptimeMs: this.nowMs, random: 0.5 });
    this.state = state;
    const isAsked = (effect: Effect) => effect.kind === "askOwnership";
    this.effects.push(...effects.filter((effect) => !isAsked(effect)).map(withoutRun));
    if (effects.some(isAsked)) this.#step({ kind: "ownershipAnswered", run: state.run, answer: { kind: "Owned" } });
  }
}

export const closed = (disconnect: Disconnect, more: { expire?: string } = {}): SessionEvent => ({
  kind: "closed",
  disconnect,
  ...more,
});
export const failure = (statusCode: number): Disconnect => ({ statusCode, message: "Connection Failure" });
export const lost: Disconnect = { statusCode: 408, message: "Connection was lost" };
export const refusedByProxy: Disconnect = {
  message: "the proxy refused the login",
  egress: { phase: "proxy", code: "AuthenticationFailed", isProxied: true },
};
export const restart: Disconnect = { statusCode: 515, message: "Stream Errored (restart required)" };
export const linked = (): Driven => new Driven().does({ kind: "started", isPaired: true, hasLoggedIn: true });
export const unlinked = (): Driven => new Driven().does({ kind: "started", isPaired: false, hasLoggedIn: false });
export const connected = (): Driven => linked().does({ kind: "granted" }, { kind: "open", identity });
export const rested = ({ state }: Driven): string =>
  state.phase.kind === "Resting" ? state.phase.as : state.phase.kind;
