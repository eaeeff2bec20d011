import type { SessionReport } from "@wa/schema";
import { startSimulator, type Scenario, type Simulator } from "@wa/simulator";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { z } from "zod";
import { SessionsBench } from "./sessions-bench.ts";
import { startSqlite, type Databases } from "./store-fixture.ts";
import { until } from "./until.ts";

/** What the server does, and what the session makes of it: cause, code, and where it leads. */
const phone = "33640000001";

let simulator: Simulator;
let databases: Databases;
let bench: SessionsBench;
let epoch = 1;

beforeAll(async () => {
  [simulator, databases] = await Promise.all([startSimulator(), startSqlite()]);
  bench = await SessionsBench.open({ simulator, storeUrl: await databases.freshUrl() });
  await bench.link("linked", phone);
  await bench.release("linked");
});
afterEach(async () => await simulator.client.clearScenario());
afterAll(async () => {
  await bench[Symbol.asyncDispose]();
  await databases.stop();
  await simulator[Symbol.asyncDispose]();
});

type Input = z.input<typeof Scenario>;
type Rule = NonNullable<Input["rules"]>[number];
type Led = Pick<SessionReport, "state"> & { cause: string; statusCode?: number };

const at = (stage: Rule["stage"], action: Rule["action"]): Input => ({ rules: [{ stage, action }] });
const failure = (reason: number, more: Record<string, string> = {}): Input =>
  at("finish", { kind: "failure", attrs: { reason: String(reason), location: "frc", ...more } });
const led = (state: SessionReport["state"], cause: string, statusCode?: number): Led => ({
  state,
  cause,
  ...(statusCode !== undefined && { statusCode }),
});

const rows: readonly (readonly [string, Input, Led])[] = [
  ["an outdated client", { minimumVersion: "2.3001.0" }, led("Blocked", "ClientOutdated", 405)],
  ["a refused browser", failure(409), led("Blocked", "BadUserAgent", 409)],
  ["a locked account", failure(403), led("Blocked", "Locked", 403)],
  ["a ban for a time", failure(402, { code: "101", expire: "3600" }), led("BackingOff", "TempBanned", 402)],
  ["a ban", failure(406), led("Blocked", "Banned", 406)],
  ["a server's error", failure(500), led("BackingOff", "ServerBusy", 500)],
  ["an experimental server's error", failure(501), led("BackingOff", "ServerBusy", 501)],
  ["a server out of service", failure(503), led("BackingOff", "ServerBusy", 503)],
  ["a client that is not known", failure(418), led("BackingOff", "ClientUnknown", 418)],
  ["a reason nobody knows", failure(412), led("BackingOff", "Unknown", 412)],
  ["a login that is called malformed", failure(400), led("BackingOff", "BadRequest", 400)],
  [
    "an end as after too many messages",
    at("finish", { kind: "stream-error", attrs: { code: "516" } }),
    led("BackingOff", "SpamSuspected", 516),
  ],
  [
    "the same credentials elsewhere",
    at("finish", { kind: "stream-error", child: { tag: "conflict", attrs: { type: "replaced" } } }),
    led("Blocked", "Replaced", 440),
  ],
  [
    "a stream that is not well formed",
    at("finish", { kind: "stream-error", child: { tag: "xml-not-well-formed" } }),
    led("BackingOff", "ProtocolStall", 500),
  ],
  [
    "a stream error 503",
    at("finish", { kind: "stream-error", attrs: { code: "503" } }),
    led("BackingOff", "ServerBusy", 503),
  ],
  ["a reset of the upgrade", at("upgrade", { kind: "reset" }), led("BackingOff", "NetworkLoss", 408)],
  ["silence at the upgrade", at("upgrade", { kind: "silence" }), led("BackingOff", "NetworkLoss", 408)],
  ["garbage at the upgrade", at("upgrade", { kind: "garbage" }), led("BackingOff", "NetworkLoss", 500)],
  [
    "an upgrade refused with 403",
    at("upgrade", { kind: "http", status: 403 }),
    led("BackingOff", "EgressBlocked", 403),
  ],
  [
    "an upgrade refused with 429",
    at("upgrade", { kind: "http", status: 429 }),
    led("BackingOff", "EgressBlocked", 429),
  ],
  ["an upgrade answered with 503", at("upgrade", { kind: "http", status: 503 }), led("BackingOff", "ServerBusy", 503)],
  [
    "an upgrade answered with 301",
    at("upgrade", { kind: "http", status: 301 }),
    led("BackingOff", "EgressBlocked", 301),
  ],
  ["silence before the server's hello", at("hello", { kind: "silence" }), led("BackingOff", "NetworkLoss", 408)],
  ["a reset after the client's hello", at("hello", { kind: "reset" }), led("BackingOff", "NetworkLoss", 428)],
  ["a close after the handshake", at("finish", { kind: "close" }), led("BackingOff", "NetworkLoss", 428)],
  ["silence after the handshake", at("finish", { kind: "silence" }), led("BackingOff", "NetworkLoss", 408)],
  // The last row: it takes the credentials.
  ["an unlinked device", failure(401), led("LoggedOut", "LoggedOut", 401)],
];

describe("a linked device that meets", () => {
  it.for(rows)("%s", async ([, scenario, expected]) => {
    await simulator.client.setScenario(scenario);
    epoch += 1;
    bench.said.length = 0;
    // Longer than the test: what the first failure leads to must be seen standing.
    bench.assign("linked", epoch, { spec: { baseDelayMs: 60_000, maxDelayMs: 60_000 } });
    const { state, lastDisconnect } = await bench.reported(
      "linked",
      expected.state,
      (report) => report.state === expected.state && report.lastDisconnect !== undefined,
    );
    expect({ state, cause: lastDisconnect?.cause, statusCode: lastDisconnect?.statusCode }).toEqual(expected);
    await bench.release("linked");
  });
});

describe("a temporary ban", () => {
  it("is waited out until its end, and then tried once", async () => {
    await bench.link("banned", "33640000002");
    await bench.release("banned");
    await simulator.client.setScenarioOf("33640000002", {
      rules: [{ stage: "finish", times: 1, action: { kind: "failure", attrs: { reason: "402", expire: "2" } } }],
    });
    const beganMs = Date.now();
    bench.assign("banned", 2);
    const { nextAttemptAt, lastDisconnect } = await bench.state("banned", "BackingOff");
    expect(Date.parse(nextAttemptAt ?? "") - beganMs).toBeGreaterThanOrEqual(2_000);
    expect(lastDisconnect?.expiresAt).toBe(nextAttemptAt);
    const { connectedSince } = await bench.state("banned", "Connected");
    expect(Date.parse(connectedSince ?? "")).toBeGreaterThanOrEqual(Date.parse(nextAttemptAt ?? ""));
    await bench.release("banned");
  });
});

describe("an unlinked device", () => {
  it("hibernates after its failures before the first code, and wakes when pairing is requested again", async () => {
    await simulator.client.setScenario(failure(503));
    bench.assign("unlinked", 1);
    const { reason, attempt } = await bench.state("unlinked", "Hibernated");
    expect({ reason, attempt }).toEqual({ reason: "ServerBusy", attempt: 2 });
    const { registrations } = await simulator.client.stats();
    await simulator.client.clearScenario();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect((await simulator.client.stats()).registrations).toBe(registrations);

    bench.assign("unlinked", 1, { pairRequestedAt: "2026-01-01T00:00:00Z" });
    const awake = await bench.state("unlinked", "AwaitingPairing");
    expect(awake).toMatchObject({ pairRequestedAt: "2026-01-01T00:00:00Z", qr: { attempt: 1 } });
    await bench.release("unlinked");
  });

  it("that nobody scans hibernates at the window's end with its socket closed", async () => {
    const { waiting } = await simulator.client.stats();
    bench.assign("unscanned", 1, { spec: { pairing: { method: "QRCode", phoneNumber: "", windowMs: 1_500 } } });
    const { qr } = await bench.state("unscanned", "AwaitingPairing");
    expect(Date.parse(qr?.expiresAt ?? "") - Date.now()).toBeLessThanOrEqual(1_500);
    const { reason, lastDisconnect } = await bench.state("unscanned", "Hibernated");
    expect({ reason, cause: lastDisconnect?.cause }).toEqual({ reason: "QrExpired", cause: "QrExpired" });
    await until("the closed socket", async () => (await simulator.client.stats()).waiting === waiting);
    await bench.release("unscanned");
  });

  it("starts its pairing anew when the phone's confirmation never comes", async () => {
    await simulator.client.setScenario({ rules: [{ stage: "scanned", times: 1, action: { kind: "reset" } }] });
    bench.assign("rescanned", 1);
    const first = await bench.state("rescanned", "AwaitingPairing");
    await simulator.client.scan("33640000003", first.qr?.code ?? "").catch(() => undefined);
    const second = await bench.reported("rescanned", "another code", ({ qr }) => qr?.attempt === 2);
    await simulator.client.scan("33640000003", second.qr?.code ?? "");
    await bench.state("rescanned", "Connected");
    await bench.release("rescanned");
  });
});

describe("a blocked device", () => {
  it("tries a newer client version, and that one only", async () => {
    await bench.link("old", "33640000004");
    await bench.release("old");
    await simulator.client.setScenario({ minimumVersion: "2.3001.0" });
    bench.assign("old", 2);
    await bench.state("old", "Blocked");
    bench.assign("old", 2, { spec: { clientVersion: "2.3001.5" } });
    expect(await bench.state("old", "Connected")).toMatchObject({ clientVersion: "2.3001.5" });
    await bench.release("old");
  });
});

describe("a device to be unlinked", () => {
  it("connects once, is removed at the server, and leaves nothing in the store", async () => {
    await bench.link("leaving", "33640000005");
    bench.assign("leaving", 1, { desired: "LoggedOut" });
    await bench.state("leaving", "LogoutDone");
    const { removed } = await simulator.client.stats("33640000005");
    expect(removed).toEqual(["33640000005:1"]);
    await bench.release("leaving");
    bench.assign("leaving", 2);
    expect((await bench.state("leaving", "AwaitingPairing")).paired).toBe(false);
    await bench.release("leaving");
  });
});
