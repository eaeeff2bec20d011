import { setTimeout as sleep } from "node:timers/promises";
import type { SessionSpec } from "@wa/schema";
import { startSimulator, type Scenario, type Simulator } from "@wa/simulator";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { z } from "zod";
import { Crowd, expectUnmoved } from "./crowd.ts";
import { memoryOf } from "./memory.ts";
import { SessionsBench } from "./sessions-bench.ts";
import { startSqlite, type Databases } from "./store-fixture.ts";
import { until } from "./until.ts";

/** What the server, or something on the way, may say and do without a session losing its bounds or its words. */
type Rule = NonNullable<z.input<typeof Scenario>["rules"]>[number];

let simulator: Simulator;
let databases: Databases;
let bench: SessionsBench;
let account = 33_650_000_000;

beforeAll(async () => {
  [simulator, databases] = await Promise.all([startSimulator(), startSqlite()]);
  bench = await SessionsBench.open({ simulator, storeUrl: await databases.freshUrl() });
});
afterEach(async () => await simulator.client.clearScenario());
afterAll(async () => {
  await bench[Symbol.asyncDispose]();
  await databases.stop();
  await simulator[Symbol.asyncDispose]();
});

const impatient = { connectTimeoutMs: 2_000, keepAliveIntervalMs: 1_000, baseDelayMs: 100, maxDelayMs: 600 };
/** What one refused frame may cost at most. */
const mostMB = 100;
/** The delays of a device's own defaults. */
const patient = { baseDelayMs: 2_000, maxDelayMs: 300_000 };
const newAccount = (): string => String((account += 1));
const rules = async (...all: readonly Rule[]) => await simulator.client.setScenario({ rules: [...all] });
const logins = async (): Promise<number> => Object.values((await simulator.client.stats()).starts).flat().length;

const codesShownBy = (name: string) =>
  bench.said.filter(({ device, pairingCode }) => device.name === name && pairingCode !== undefined);

async function linked(name: string): Promise<string> {
  const phone = newAccount();
  await bench.link(name, phone);
  await bench.release(name);
  return phone;
}

describe("a server that asks for a restart", () => {
  it.each([
    ["at every login", "finish"],
    ["right after every success", "open"],
  ] as const)("%s is not obeyed without end, and the cause says so", async (how, stage) => {
    const name = `restarts-${stage}`;
    await linked(name);
    await rules({ stage, action: { kind: "stream-error", attrs: { code: "515" } } });
    const before = await logins();
    bench.assign(name, 2, { spec: patient });
    const flapping = await bench.reported(name, how, ({ lastDisconnect }) => lastDisconnect?.cause === "Flapping");
    expect(flapping.attempt).toBeGreaterThan(0);
    await sleep(8_000);
    expect((await logins()) - before).toBeLessThanOrEqual(6);
    await bench.release(name);
  });
});

describe("a temporary ban", () => {
  it.each([["0"], ["-5"], ["9999999999999"], [""], ["1e3"]])("until %j is waited for an hour", async (expire) => {
    const name = `banned-${account}`;
    const phone = await linked(name);
    const action = { kind: "failure" as const, attrs: { reason: "402", code: "101", expire } };
    await simulator.client.setScenarioOf(phone, { rules: [{ stage: "finish", action }] });
    bench.assign(name, 2);
    const { nextAttemptAt } = await bench.state(name, "BackingOff");
    const waitMs = Date.parse(nextAttemptAt ?? "") - Date.now();
    expect(waitMs).toBeGreaterThan(3_500_000);
    expect(waitMs).toBeLessThanOrEqual(3_600_000);
    await bench.release(name);
  });
});

it("an answer that nobody expects ends in a cause, takes nobody's memory, and the device comes back", async () => {
  await using crowd = await Crowd.gather({ size: 2, ofHurt: { ...impatient } });
  const { client } = crowd.scene.simulator;
  const calmBefore = await crowd.calmCounts();
  const { peakMB } = await memoryOf(crowd.pod.pid);
  const odd: readonly Rule["action"][] = [
    { kind: "failure", attrs: { reason: "soon" } },
    { kind: "failure", attrs: { reason: "200" } },
    { kind: "failure", attrs: { reason: "-1" } },
    { kind: "stream-error", attrs: { code: "NaN" } },
    { kind: "stream-error", attrs: { code: "1" } },
    { kind: "zip-bomb", mebibytes: 2 },
    { kind: "zip-bomb", mebibytes: 4_096 },
  ];
  const sinceMs = Date.now();
  const rulesOfTheHurt = [{ kind: "reset" } as const, ...odd].map((action, place) => ({
    stage: place === 0 ? ("open" as const) : ("finish" as const),
    times: 1,
    action,
  }));
  await client.setScenarioOf(crowd.phoneOf(crowd.hurt), { rules: rulesOfTheHurt });
  await until("every end", () => crowd.endsSince(sinceMs).length > odd.length, 60_000);
  await crowd.scene.hub.reported(`u-${crowd.hurt}`, "Connected", 60_000);
  expect(crowd.endsSince(sinceMs).map(({ cause }) => cause)).toEqual(["NetworkLoss", ...odd.map(() => "SessionFault")]);
  expectUnmoved(await crowd.calmCounts(), calmBefore);
  expect((await memoryOf(crowd.pod.pid)).peakMB).toBeLessThan(peakMB + mostMB);
});

describe("a pairing code", () => {
  const byCode: Partial<SessionSpec> = {
    pairing: { method: "PairingCode", phoneNumber: "+33650999999", windowMs: 20_000 },
  };

  it.each([
    ["429", "PairingLimited"],
    ["400", "NumberRefused"],
  ])("that the server refuses with %s is never shown, and nobody asks again", async (code, cause) => {
    const name = `code-${code}`;
    const query = { xmlns: "md", childAttrs: { stage: "companion_hello" } };
    await rules({ stage: "iq", ...query, action: { kind: "iq-error", code, text: "no" } });
    bench.assign(name, 1, { spec: byCode });
    const { reason, lastDisconnect } = await bench.state(name, "Hibernated");
    expect([reason, lastDisconnect?.cause]).toEqual([cause, cause]);
    expect(codesShownBy(name)).toEqual([]);
    await bench.release(name);
  });

  it("whose taking the server does not confirm is not shown either", async () => {
    await rules({ stage: "iq", xmlns: "md", childAttrs: { stage: "companion_hello" }, action: { kind: "silence" } });
    bench.assign("code-silent", 1, { spec: { ...byCode, queryTimeoutMs: 700, unpairedAttempts: 1 } });
    await bench.state("code-silent", "Hibernated");
    expect(codesShownBy("code-silent")).toEqual([]);
    await bench.release("code-silent");
  });

  it("that the server wants refreshed ends with the name of that step", async () => {
    bench.assign("code-refreshed", 1, { spec: byCode });
    await bench.reported("code-refreshed", "a code", ({ pairingCode }) => pairingCode !== undefined);
    const content = [{ tag: "link_code_companion_reg", attrs: { stage: "refresh_code" } }];
    const attrs = { from: "@s.whatsapp.net", type: "link_code_companion_reg", id: "77", t: "1790000000" };
    await simulator.client.inject({ phone: "33650999999" }, { tag: "notification", attrs, content });
    const { lastDisconnect } = await bench.state("code-refreshed", "Hibernated");
    expect(lastDisconnect).toMatchObject({ cause: "LinkStalled", message: "WhatsApp asked for refresh_code" });
    await bench.release("code-refreshed");
  });

  it.each([
    ["empty", undefined],
    ["without the phone's key", [{ tag: "link_code_companion_reg", attrs: { stage: "primary_hello" } }]],
  ])("whose next step is %s ends with the name of that step", async (_how, content) => {
    const name = `code-step-${content?.length ?? 0}`;
    bench.assign(name, 1, { spec: byCode });
    await bench.reported(name, "a code", ({ pairingCode }) => pairingCode !== undefined);
    const attrs = { from: "@s.whatsapp.net", type: "link_code_companion_reg", id: "78", t: "1790000000" };
    await simulator.client.inject(
      { phone: "33650999999" },
      { tag: "notification", attrs, ...(content && { content }) },
    );
    const { lastDisconnect } = await bench.state(name, "Hibernated");
    expect(lastDisconnect).toMatchObject({
      cause: "LinkStalled",
      message: "WhatsApp asked for primary_hello without a key",
    });
    await bench.release(name);
  });
});

describe("a code that is scanned", () => {
  const asks = (type: string): Rule["action"] => ({
    kind: "send",
    stanzas: [{ tag: "notification", attrs: { from: "@s.whatsapp.net", type, id: "77123", t: "1790000000" } }],
  });

  it("for an account with a passkey ends with that cause at once, and the step is acknowledged", async () => {
    await rules({ stage: "scanned", action: asks("passkey_prologue_request") });
    bench.assign("passkey", 1);
    const { qr } = await bench.state("passkey", "AwaitingPairing");
    await simulator.client.scan(newAccount(), qr?.code ?? "");
    const { reason } = await bench.state("passkey", "Hibernated");
    expect(reason).toBe("PasskeyRequired");
    const answers = async () => (await simulator.client.stats()).connections.flatMap((one) => one.answers);
    await until("the acknowledgement", async () =>
      (await answers()).some((text) => text.startsWith("ack notification")),
    );
    await bench.release("passkey");
  });

  it("and then goes on with a step that nobody knows has stalled; nobody says that nobody scanned", async () => {
    await rules({ stage: "scanned", action: asks("companion_reg_refresh") });
    bench.assign("stalled", 1, { spec: { pairing: { method: "QRCode", phoneNumber: "", windowMs: 3_000 } } });
    const { qr } = await bench.state("stalled", "AwaitingPairing");
    await simulator.client.scan(newAccount(), qr?.code ?? "");
    const { reason, lastDisconnect } = await bench.state("stalled", "Hibernated");
    expect(reason).toBe("LinkStalled");
    expect(lastDisconnect?.message).toContain("companion_reg_refresh");
    await bench.release("stalled");
  });
});

describe("the server's question", () => {
  it.each([[false], [true]])("whether the client is there is answered, with a child: %s", async (child) => {
    const name = `pinged-${child}`;
    const phone = await linked(name);
    await simulator.client.setScenarioOf(phone, {
      rules: [{ stage: "open", action: { kind: "ping", everyMs: 300, withinMs: 5_000, child } }],
    });
    bench.assign(name, 2);
    await bench.state(name, "Connected");
    const device = async () => Object.values((await simulator.client.stats(phone)).devices)[0];
    await until("three answers", async () => ((await device())?.pingsAnswered ?? 0) >= 3);
    expect((await device())?.logins).toBe(2);
    await bench.release(name);
  });

  it("that nobody knows is answered with an error, and the session goes on", async () => {
    const phone = await linked("asked");
    bench.assign("asked", 2);
    await bench.state("asked", "Connected");
    const attrs = { from: "s.whatsapp.net", type: "get", id: "q1", xmlns: "w:unheard-of" };
    await simulator.client.inject({ phone }, { tag: "iq", attrs });
    const answers = async () => (await simulator.client.stats(phone)).connections.flatMap((one) => one.answers);
    await until("the answer", async () => (await answers()).includes("error q1 501"));
    expect(bench.last("asked")?.state).toBe("Connected");
    await bench.release("asked");
  });
});

describe("an upgrade that something on the way answers", () => {
  it.each([[200], [302], [400], [404], [426], [511]])(
    "with %i is not taken for WhatsApp's own error",
    async (status) => {
      const name = `way-${status}`;
      await linked(name);
      await rules({ stage: "upgrade", action: { kind: "http", status } });
      bench.assign(name, 2, { spec: { baseDelayMs: 60_000, maxDelayMs: 60_000 } });
      const { lastDisconnect } = await bench.state(name, "BackingOff");
      expect(lastDisconnect).toMatchObject({ cause: "EgressBlocked", statusCode: status });
      await bench.release(name);
    },
  );
});

it("a device whose logins were accepted but that could never upload keys is not linked anew when the phone unlinks it", async () => {
  const phone = newAccount();
  await rules({
    stage: "iq",
    xmlns: "encrypt",
    action: { kind: "iq-error", code: "503", text: "service-unavailable" },
  });
  await bench.link("keyless", phone);
  await bench.release("keyless");
  await simulator.client.unlink(phone, 1);
  bench.assign("keyless", 2);
  const { reason, qr } = await bench.reported("keyless", "its end", ({ state }) =>
    ["LoggedOut", "AwaitingPairing"].includes(state),
  );
  expect([bench.last("keyless")?.state, qr, reason]).toEqual(["LoggedOut", undefined, undefined]);
  await bench.release("keyless");
});
