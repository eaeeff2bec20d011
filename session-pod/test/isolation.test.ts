import { setTimeout as sleep } from "node:timers/promises";
import type { Cause } from "@wa/schema";
import type { Scenario } from "@wa/simulator";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { z } from "zod";
import { Crowd, expectUnmoved, peer, type End } from "./crowd.ts";
import { memoryOf } from "./memory.ts";
import { until } from "./until.ts";

type Rule = NonNullable<z.input<typeof Scenario>["rules"]>[number];
type Fault = Rule["action"];

/** Waits so short that a test sees forty ends; a frame that never ends shows after six seconds of keep-alive. */
const impatient = {
  connectTimeoutMs: 2_000,
  keepAliveIntervalMs: 1_000,
  queryTimeoutMs: 10_000,
  baseDelayMs: 100,
  maxDelayMs: 600,
};
/** More than these tests may cost the pod at any moment: one inflated body and what the collector has not taken yet. */
const mostMB = 150;
const bombs = 40;
const standsMs = 3_000;
const afterScrapeMs = 200;
/** The timer and the clock of the reports are not the same. */
const slackMs = 10;

const reset: Fault = { kind: "reset" };
const garbage: Fault = { kind: "garbage" };
const noWebSocket: Fault = { kind: "garbage", layer: "websocket" };
const endless: Fault = { kind: "announce" };
const absurd: Fault = { kind: "announce", layer: "websocket", bytes: Number.MAX_SAFE_INTEGER };
const brokenZlib: Fault = { kind: "broken-zlib" };
const bomb: Fault = { kind: "zip-bomb", mebibytes: 4_096 };
const wrongTag: Fault = { kind: "undecryptable", fault: "tag" };
const wrongCounter: Fault = { kind: "undecryptable", fault: "counter" };

const unreadable = [garbage, wrongTag, wrongCounter, brokenZlib, bomb];
const unreadableEnds = unreadable.map((): Cause => "SessionFault");
const torn = [noWebSocket, absurd, endless, reset];
const tornEnds = torn.map((): Cause => "NetworkLoss");

/** Queries of each login; the last four are made at once. */
const queries = [
  { xmlns: "encrypt", child: "count" },
  { xmlns: "passive", child: "active" },
  { xmlns: "encrypt", child: "digest" },
  { xmlns: "abt", child: "props" },
  { xmlns: "blocklist" },
  { xmlns: "privacy", child: "privacy" },
  { xmlns: "w:p", child: "ping" },
] as const;

/** Each acts once, so that one attempt after the other meets the next. */
const at = (stage: Rule["stage"], faults: readonly Fault[], more: Partial<Rule> = {}): Rule[] =>
  faults.map((action) => ({ stage, times: 1, action, ...more }));
const twoAt = (place: number): Fault[] => [0, 3].map((step) => unreadable[(place + step) % 5] ?? garbage);

/** At these stages nobody knows whose connection it is; only the hurt device makes new ones. */
const ofNobody = [...at("upgrade", [garbage, reset]), ...at("hello", [...torn, garbage])];
const ofTheHurt = [
  ...at("open", [wrongTag]),
  ...at("finish", [...unreadable, ...torn]),
  ...queries.flatMap((query, place) => at("iq", twoAt(place), query)),
  ...at("iq", torn, { xmlns: "encrypt", child: "count" }),
  ...at("delivery", [...unreadable, ...torn]),
  ...at("message", unreadable),
];
/** Garbage in place of a handshake is broken in one of many ways. */
const handshakeGarbage: Cause = expect.toBeOneOf(["ProtocolStall", "SessionFault"]);
const firstEnds: readonly Cause[] = [
  "SessionFault",
  "NetworkLoss",
  "NetworkLoss",
  ...tornEnds,
  handshakeGarbage,
  ...unreadableEnds,
  ...tornEnds,
];

/** The least that the backoff lets pass after so many failures. */
const leastWaitMs = ({ attempt }: End): number =>
  Math.min(impatient.maxDelayMs, impatient.baseDelayMs * 2 ** (attempt - 1)) / 2 - slackMs;

describe("of twenty devices in one session pod, nineteen never notice that", () => {
  let crowd: Crowd;
  beforeAll(async () => {
    crowd = await Crowd.gather({ size: 20, ofHurt: impatient });
  });
  beforeEach(({ onTestFailed }) => onTestFailed(() => void process.stderr.write(crowd.pod.log())));
  afterAll(async () => await crowd[Symbol.asyncDispose]());

  it("the twentieth meets every fault at every stage; each end has a name and a wait, and it comes back by itself", async () => {
    const { client } = crowd.scene.simulator;
    const hurtPhone = crowd.phoneOf(crowd.hurt);
    const attempts = async () => await crowd.pod.metric('whatsapp_connection_attempts_total{bucket="login"}');
    const calmBefore = await crowd.calmCounts();
    const attemptsBefore = await attempts();
    const { peakMB } = await memoryOf(crowd.pod.pid);
    const sinceMs = Date.now();

    await crowd.talk();
    await client.setScenario({ rules: ofNobody });
    await client.setScenarioOf(hurtPhone, { rules: ofTheHurt });
    await client.text(peer, hurtPhone, "for the hurt one");
    await crowd.scene.enqueue(crowd.hurt, peer, "of the hurt one");
    await until("half of the ends", () => crowd.endsSince(sinceMs).length > ofTheHurt.length / 2, 60_000);
    await crowd.talk();
    const allUsed = async () => Object.values((await client.stats()).ruleUses).every((uses) => uses === 1);
    await until("every fault", allUsed, 90_000);
    await until("its text", async () => (await client.messages(peer)).some(({ text }) => text === "of the hurt one"));
    await crowd.scene.hub.reported(`u-${crowd.hurt}`, "Connected");
    await crowd.talk();
    await crowd.heardAll();

    const ends = crowd.endsSince(sinceMs);
    expect(ends.slice(0, firstEnds.length).map(({ cause }) => cause)).toEqual(firstEnds);
    for (const { cause } of ends) expect(cause).toBeOneOf(["SessionFault", "NetworkLoss", "ProtocolStall"]);
    for (const end of ends) expect(end.nextAttemptMs - end.timeMs).toBeGreaterThanOrEqual(leastWaitMs(end));
    for (const [place, end] of ends.slice(0, -1).entries())
      expect((ends[place + 1]?.timeMs ?? 0) - end.timeMs).toBeGreaterThanOrEqual(leastWaitMs(end));
    expect((await attempts()) - attemptsBefore).toBe(ends.length);
    expect(await crowd.scene.counts(hurtPhone)).toMatchObject({ socketsNow: 1, messagesPending: 0 });
    expectUnmoved(await crowd.calmCounts(), calmBefore);
    expect(crowd.scene.hub.hellos()).toHaveLength(1);
    expect((await memoryOf(crowd.pod.pid)).peakMB).toBeLessThan(peakMB + mostMB);
  });

  it("forty bodies of ten gigabytes come to the twentieth at once: they cost the pod megabytes, and end one connection", async () => {
    const { client } = crowd.scene.simulator;
    const hurtPhone = crowd.phoneOf(crowd.hurt);
    const calmBefore = await crowd.calmCounts();
    const faultsBefore = await crowd.pod.metric("whatsapp_session_faults_total");
    const { peakMB } = await memoryOf(crowd.pod.pid);
    const sinceMs = Date.now();
    await client.setScenarioOf(hurtPhone, {
      rules: [{ stage: "delivery", times: bombs, action: { kind: "silence" } }],
    });
    for (let count = 0; count < bombs; count += 1) await client.text(peer, hurtPhone, "kept until the next login");
    await client.setScenarioOf(hurtPhone, {
      rules: [
        { stage: "delivery", times: bombs, action: { kind: "zip-bomb", mebibytes: 256 } },
        { stage: "open", times: 1, action: reset },
      ],
    });
    const isBack = async () => (await crowd.scene.counts(hurtPhone)).messagesPending === 0;
    await until("the texts in place of which the bombs came", isBack, 60_000);
    await crowd.talk();
    await crowd.heardAll();

    expect((await client.stats()).ruleUses[`${hurtPhone}.rules[0]`]).toBe(bombs);
    expect(crowd.endsSince(sinceMs).map(({ cause }) => cause)).toEqual(["NetworkLoss", "SessionFault"]);
    expect((await crowd.pod.metric("whatsapp_session_faults_total")) - faultsBefore).toBe(1);
    expectUnmoved(await crowd.calmCounts(), calmBefore);
    expect((await memoryOf(crowd.pod.pid)).peakMB).toBeLessThan(peakMB + mostMB);
  });

  it("the loop of all stands for three seconds; the metric tells of it, once", async () => {
    const calmBefore = await crowd.calmCounts();
    const lagSeconds = async () => await crowd.pod.metric('whatsapp_event_loop_lag_seconds{percentile="100"}');
    const notStanding = async () => (await lagSeconds()) < standsMs / 2_000;
    await until("a loop that runs", notStanding);
    // A scrape begins the histogram anew, and its first tick is not counted.
    await sleep(afterScrapeMs);
    process.kill(crowd.pod.pid, "SIGSTOP");
    await sleep(standsMs);
    process.kill(crowd.pod.pid, "SIGCONT");
    // The histogram's steps are coarse.
    await until("the lag", async () => (await lagSeconds()) > (standsMs / 1_000) * 0.9);
    await until("a loop that runs", notStanding);
    await crowd.talk();
    await crowd.heardAll();
    expectUnmoved(await crowd.calmCounts(), calmBefore);
  });
});
