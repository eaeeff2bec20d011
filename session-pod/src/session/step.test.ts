import { describe, expect, it } from "vitest";
import {
  closed,
  connected,
  Driven,
  failure,
  identity,
  lost,
  linked,
  refusedByProxy,
  rested,
  restart,
  startMs,
  unlinked,
} from "../../test/driven.ts";

describe("a start", () => {
  it("of a linked device asks for a login, of another for a registration", () => {
    expect(linked().effects).toEqual([{ kind: "requestGrant", bucket: "login" }]);
    expect(unlinked().effects).toEqual([{ kind: "requestGrant", bucket: "registration" }]);
  });

  it("happens once the grant is due, and only while it is waited for", () => {
    expect(linked().does({ kind: "granted" }).effects).toEqual([
      { kind: "count", what: "start", bucket: "login" },
      { kind: "connect" },
    ]);
    expect(connected().does({ kind: "granted" }).effects).toEqual([]);
  });
});

describe("QR codes", () => {
  it("carry their number and their true end: 60 s for the first, 20 s for each other, never past the window", () => {
    const session = unlinked().does({ kind: "granted" });
    const shown = [0, 60_000, 20_000].map((waitMs) => {
      session.after(waitMs).does({ kind: "qr", code: "2@x" });
      const { attempt = 0, expiresAt = "" } = session.state.qr ?? {};
      return [attempt, Date.parse(expiresAt) - startMs];
    });
    expect(shown).toEqual([
      [1, 60_000],
      [2, 80_000],
      [3, 100_000],
    ]);
    session.after(10_000).does({ kind: "qr", code: "2@x" });
    expect(Date.parse(session.state.qr?.expiresAt ?? "") - startMs).toBe(100_000);
  });

  it("open the window once, however often the connection breaks in it", () => {
    const session = unlinked().does({ kind: "granted" }, { kind: "qr", code: "2@x" });
    expect(session.effects).toContainEqual({ kind: "endWindowIn", delayMs: 100_000 });
    session.after(5_000).does(closed(lost), { kind: "retryDue" }, { kind: "granted" }, { kind: "qr", code: "2@y" });
    expect(session.effects).not.toContainEqual(expect.objectContaining({ kind: "endWindowIn" }));
    expect(session.state.qr?.attempt).toBe(2);
  });

  it("disappear when the phone scans, and the restart follows at once, outside of every wait", () => {
    const session = unlinked().does({ kind: "granted" }, { kind: "qr", code: "2@x" }, { kind: "paired", identity });
    expect(session.state.qr).toBeUndefined();
    expect(session.does(closed(restart)).effects).toContainEqual({ kind: "requestGrant", bucket: "restart" });
    expect(session.state.failures).toBe(0);
  });

  it("that nobody scans end in hibernation with the cause and a closed socket", () => {
    const session = unlinked().does({ kind: "granted" }, { kind: "qr", code: "2@x" }, { kind: "windowEnded" });
    expect(rested(session)).toBe("Hibernated");
    expect(session.effects).toContainEqual({ kind: "closeSocket" });
    expect(session.state.lastDisconnect?.cause).toBe("QrExpired");
  });

  it("are none of a linked device's business: the window's end changes nothing", () => {
    expect(connected().does({ kind: "windowEnded" }).state.phase.kind).toBe("Connected");
  });
});

describe("a pairing code", () => {
  it("is shown alone, without QR codes, until the window ends", () => {
    const pairing = { method: "PairingCode", phoneNumber: "+33612345678", windowMs: 100_000 } as const;
    const session = new Driven("Running", { pairing }).does(
      { kind: "started", isPaired: false, hasLoggedIn: false },
      { kind: "granted" },
      { kind: "qr", code: "2@x" },
      { kind: "pairingCode", code: "ABCD1234", validMs: 500_000 },
    );
    expect(session.state.qr).toBeUndefined();
    expect(session.state.pairingCode).toEqual({ code: "ABCD1234", expiresAt: "2026-01-01T00:01:40.000Z" });
  });
});

describe("a failing device", () => {
  it("hibernates after three failures before its first code", () => {
    const session = unlinked();
    const ways = [1, 2, 3].map(() => rested(session.fails(lost).does({ kind: "retryDue" })));
    expect(ways).toEqual(["WaitingForGrant", "WaitingForGrant", "Hibernated"]);
  });

  it("goes on while its way out carries nothing to the server: that says nothing about the pairing", () => {
    const session = unlinked();
    for (let times = 0; times < 10; times += 1) session.fails(refusedByProxy).does({ kind: "retryDue" });
    expect(rested(session)).toBe("WaitingForGrant");
    expect(rested(session.fails(lost).does({ kind: "retryDue" }))).toBe("WaitingForGrant");
  });

  it("tries again at once when the proxy that it waits for has another login, and then waits from the start", () => {
    const session = linked();
    for (let times = 0; times < 4; times += 1) session.fails(refusedByProxy).does({ kind: "retryDue" });
    session.fails(refusedByProxy).does({ kind: "proxyLoginChanged" });
    expect(session.effects).toEqual([{ kind: "requestGrant", bucket: "login" }]);
    expect((session.fails(refusedByProxy).state.nextAttemptMs ?? 0) - session.nowMs).toBe(1_500);
  });

  it.each([
    ["is connected", connected],
    ["waits for another reason", () => linked().fails(lost)],
    ["rests", () => linked().fails(failure(403))],
  ])("takes no notice of another login while it %s", (_what, session) => {
    const before = session();
    const { state } = before;
    expect(before.does({ kind: "proxyLoginChanged" }).state).toBe(state);
    expect(before.effects).toEqual([]);
  });

  it("goes on within the window once a code was shown", () => {
    const session = unlinked().does({ kind: "granted" }, { kind: "qr", code: "2@x" });
    for (let times = 0; times < 5; times += 1)
      session.after(1_000).does(closed(lost), { kind: "retryDue" }, { kind: "granted" });
    expect(session.state.phase.kind).toBe("Connecting");
  });

  it("waits twice as long each time, and from the start again after five minutes connected", () => {
    const session = linked();
    const waits = [1, 2, 3].map(() => {
      session.fails(lost);
      const waitMs = (session.state.nextAttemptMs ?? 0) - session.nowMs;
      session.does({ kind: "retryDue" });
      return waitMs;
    });
    expect(waits).toEqual([1_500, 3_000, 6_000]);
    session.does({ kind: "granted" }, { kind: "open", identity }).after(300_000).does(closed(lost));
    expect((session.state.nextAttemptMs ?? 0) - session.nowMs).toBe(1_500);
    expect(session.state.failures).toBe(1);
  });

  it.each([
    ["worked for less than ten seconds", 9_999, 2],
    ["worked for longer than it had waited", 10_000, 1],
    ["is closed every 58 s", 58_000, 1],
  ])("whose connection %s counts its end accordingly", (_what, openMs, failures) => {
    const session = linked().fails(lost).does({ kind: "retryDue" }, { kind: "granted" }, { kind: "open", identity });
    session.after(openMs).does(closed(lost));
    expect(session.state.failures).toBe(failures);
  });

  it("that had waited for long goes on doubling where its connection lasts no longer than the wait", () => {
    const session = linked();
    for (let times = 0; times < 8; times += 1) session.fails(lost).does({ kind: "retryDue" });
    const waitedMs = session.state.lastDelayMs;
    session
      .does({ kind: "granted" }, { kind: "open", identity })
      .after(waitedMs - 1)
      .does(closed(lost));
    expect(session.state.failures).toBe(9);
  });
});

describe("a cause", () => {
  it.each([
    ["ClientOutdated", failure(405), "Blocked"],
    ["BadUserAgent", failure(409), "Blocked"],
    ["Locked", failure(403), "Blocked"],
    ["Banned", failure(406), "Blocked"],
    ["MultiDeviceMismatch", { statusCode: 411, message: "Multi-device beta not joined" }, "Blocked"],
    ["Replaced", { statusCode: 440, message: "Stream Errored (conflict)" }, "Blocked"],
    ["LoggedOut", failure(401), "LoggedOut"],
    ["ServerBusy", failure(503), "BackingOff"],
    ["NetworkLoss", lost, "BackingOff"],
    ["TempBanned", failure(402), "BackingOff"],
    ["ClientUnknown", failure(418), "BackingOff"],
    ["Unknown", failure(412), "BackingOff"],
  ])("%s of a linked device leads to its rest or its wait", (cause, disconnect, leadsTo) => {
    const session = linked().fails(disconnect);
    expect([session.state.lastDisconnect?.cause, rested(session)]).toEqual([cause, leadsTo]);
  });

  it("LoggedOut archives the credentials", () => {
    const { effects, state } = linked().fails(failure(401));
    expect(effects).toContainEqual({ kind: "archiveCredentials", reason: "LoggedOut" });
    expect(state.isPaired).toBe(false);
  });

  it("LoggedOut at the first login of all shows a new code: the phone never heard of this device", () => {
    const session = new Driven().does({ kind: "started", isPaired: true, hasLoggedIn: false });
    expect(session.fails(failure(401)).effects).toContainEqual({ kind: "archiveCredentials", reason: "LoggedOut" });
    expect(rested(session)).not.toBe("LoggedOut");
    session.does({ kind: "archived", run: session.state.run, outcome: "Stored" });
    expect(session.effects).toEqual([{ kind: "requestGrant", bucket: "registration" }]);
    session.does({ kind: "started", isPaired: true, hasLoggedIn: false }, { kind: "open", identity });
    expect(rested(session.does(closed(failure(401))))).toBe("LoggedOut");
  });

  it("TempBanned waits for the server's own end, once", () => {
    const session = linked().fails(failure(402), { expire: "3600" });
    expect(session.effects).toContainEqual({ kind: "wakeIn", delayMs: 3_600_000 });
    expect(session.state.lastDisconnect?.expiresAt).toBe("2026-01-01T01:00:00.000Z");
  });

  it("changes nothing of a session at rest", () => {
    const session = linked().fails(failure(405));
    expect(session.does(closed(lost)).effects).toEqual([]);
    expect(rested(session)).toBe("Blocked");
  });
});

describe("a device to be unlinked", () => {
  const toUnlink = (isPaired: boolean): Driven =>
    new Driven("LoggedOut").does({ kind: "started", isPaired, hasLoggedIn: isPaired });

  it("that was never linked is done at once", () => {
    expect(rested(toUnlink(false))).toBe("LogoutDone");
  });

  it("connects once, and is done when the server confirmed and nothing is stored any more", () => {
    const session = toUnlink(true).does({ kind: "granted" }, { kind: "open", identity });
    expect(session.effects).toEqual([{ kind: "logOut" }]);
    expect(rested(session.does({ kind: "loggedOut" }))).toBe("LogoutDone");
  });

  it("that the server knows no more has only its credentials to erase", () => {
    const session = toUnlink(true).fails(failure(401));
    expect(session.effects).toContainEqual({ kind: "eraseCredentials" });
    expect(rested(session.does({ kind: "loggedOut" }))).toBe("LogoutDone");
  });
});

it("a stopped session is released, from wherever it was", () => {
  for (const session of [unlinked(), linked(), connected(), linked().fails(lost)])
    expect(rested(session.does({ kind: "stop" }))).toBe("Released");
});
