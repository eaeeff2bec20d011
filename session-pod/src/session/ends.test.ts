import { describe, expect, it } from "vitest";
import type { Disconnect } from "./causes.ts";
import {
  closed,
  connected,
  type Driven,
  failure,
  identity,
  lost,
  linked,
  rested,
  restart,
  startMs,
  unlinked,
} from "../../test/driven.ts";

/** Connects, is ended so after so long, waits as told, and again; what it did in that time. */
function endsAgainAndAgain(session: Driven, disconnect: Disconnect, openMs: number | undefined, forMs: number) {
  const untilMs = session.nowMs + forMs;
  const starts: number[] = [];
  let upMs = 0;
  while (session.nowMs < untilMs) {
    if (session.state.phase.kind === "BackingOff")
      session.after((session.state.nextAttemptMs ?? 0) - session.nowMs).does({ kind: "retryDue" });
    if (session.state.phase.kind !== "WaitingForGrant") break;
    starts.push(session.nowMs);
    session.does({ kind: "granted" });
    if (openMs !== undefined) session.does({ kind: "open", identity }).after(openMs);
    else session.after(50);
    upMs += openMs ?? 0;
    session.does(closed(disconnect));
  }
  return { starts, upShare: upMs / (session.nowMs - startMs), cause: session.state.lastDisconnect?.cause };
}

const inFirst = (starts: readonly number[], ms: number): number => starts.filter((at) => at < startMs + ms).length;
const hourMs = 3_600_000;

describe("a device whose every connection ends", () => {
  it("by a restart at each login starts once more at once, then ever more slowly, and says why", () => {
    const { starts, cause } = endsAgainAndAgain(linked(), restart, undefined, hourMs);
    expect(inFirst(starts, 15_000)).toBeLessThanOrEqual(6);
    expect(inFirst(starts, hourMs)).toBeLessThanOrEqual(30);
    expect(cause).toBe("Flapping");
  });

  it("by a restart right after each success does no better", () => {
    const { starts } = endsAgainAndAgain(linked(), restart, 20, hourMs);
    expect(inFirst(starts, 10_000)).toBeLessThanOrEqual(6);
  });

  it("by a restart before it was ever linked gives up like any other", () => {
    const session = unlinked();
    const { starts } = endsAgainAndAgain(session, restart, undefined, hourMs);
    expect(starts.length).toBeLessThanOrEqual(4);
    expect(rested(session)).toBe("Hibernated");
  });

  it("by a restart has the next one free after ten minutes", () => {
    const session = linked().fails(restart).after(600_000).does({ kind: "granted" }, closed(restart));
    expect(session.effects).toContainEqual({ kind: "requestGrant", bucket: "restart" });
  });

  it("every 58 s is away for no more than a twentieth of the time, and its cause stays what it is", () => {
    const { upShare, cause } = endsAgainAndAgain(linked(), lost, 58_000, 1_200_000);
    expect(upShare).toBeGreaterThan(0.95);
    expect(cause).toBe("NetworkLoss");
  });

  it.each([
    ["every 12 s", 12_000],
    ["every 3 s", 3_000],
    ["at once", 0],
  ])("%s starts seventy times in an hour at most, and says that it flaps", (_how, openMs) => {
    const { starts } = endsAgainAndAgain(linked(), lost, openMs, 3 * hourMs);
    for (const from of starts)
      expect(starts.filter((at) => at >= from && at < from + hourMs).length).toBeLessThanOrEqual(70);
    if (openMs === 12_000) expect(endsAgainAndAgain(linked(), lost, openMs, hourMs / 2).cause).toBe("Flapping");
  });
});

describe("what the server says of time", () => {
  it.each([["0"], ["-5"], ["soon"], [String(startMs / 1_000 + 3_600)], ["9999999999999"]])(
    "a ban until %s is an hour's",
    (expire) => {
      const session = linked().fails(failure(402), { expire });
      expect(session.effects).toContainEqual({ kind: "wakeIn", delayMs: 3_600_000 });
      expect(session.state.lastDisconnect?.expiresAt).toBe("2026-01-01T01:00:00.000Z");
    },
  );

  it("a ban that goes on after its end waits for five minutes at least", () => {
    const session = linked().fails(failure(402), { expire: "1" });
    expect(session.effects).toContainEqual({ kind: "wakeIn", delayMs: 1_000 });
    session.after(1_000).does({ kind: "retryDue" }).fails(failure(402), { expire: "1" });
    expect(session.effects).toContainEqual({ kind: "wakeIn", delayMs: 300_000 });
  });
});

it.each([
  ["connecting", () => linked().does({ kind: "granted" })],
  ["connected", connected],
  ["waiting", linked],
])("a throw inside a step ends a session that is %s in a state that says so and tries again", (_what, session) => {
  const broken = session();
  Object.defineProperty(broken.state.assignment, "spec", {
    get: () => {
      throw new RangeError("Invalid time value");
    },
  });
  const { lastDisconnect } = broken.does(closed(lost)).state;
  expect(broken.state.phase.kind).toBe("BackingOff");
  expect(lastDisconnect).toMatchObject({ cause: "SessionFault", message: "session fault: Invalid time value" });
  expect(broken.effects).toContainEqual({ kind: "wakeIn", delayMs: 60_000 });
});

describe("linking", () => {
  const shown = () => unlinked().does({ kind: "granted" }, { kind: "qr", code: "2@x" });

  it("of an account with a passkey ends at once, with that cause", () => {
    const session = shown().does({ kind: "linkStage", stage: "passkey_prologue_request" });
    expect([rested(session), session.state.lastDisconnect?.cause]).toEqual(["Hibernated", "PasskeyRequired"]);
    expect(session.effects).toContainEqual({ kind: "closeSocket" });
  });

  it.each([
    ["the window ends", { kind: "windowEnded" }],
    ["the codes are used up", closed({ statusCode: 408, message: "QR refs attempts ended" })],
  ] as const)("that got as far as another step has stalled when %s: somebody scanned", (_when, end) => {
    const session = shown().does({ kind: "linkStage", stage: "companion_reg_refresh" }, end);
    const { cause, message } = session.state.lastDisconnect ?? {};
    expect([rested(session), cause]).toEqual(["Hibernated", "LinkStalled"]);
    expect(message).toContain("companion_reg_refresh");
    expect(session.state.linkStage).toBeUndefined();
  });

  it.each([["constructor"], ["x".repeat(5_000)]])("takes any word for a step: %.20s", (stage) => {
    const session = shown().does({ kind: "linkStage", stage });
    expect(session.state.phase.kind).toBe("AwaitingPairing");
    expect(session.state.linkStage?.length).toBeLessThanOrEqual(64);
  });

  it.each([
    [429, "PairingLimited"],
    [400, "NumberRefused"],
  ] as const)("by a code that the server refuses with %i ends with a cause of its own", (pairingRefusal, cause) => {
    const session = unlinked().fails({ statusCode: pairingRefusal, message: "no pairing code", pairingRefusal });
    expect([rested(session), session.state.lastDisconnect?.cause]).toEqual(["Hibernated", cause]);
    expect(session.state.pairingCode).toBeUndefined();
  });
});
