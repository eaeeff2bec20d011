import { setTimeout as sleep } from "node:timers/promises";
import { startSimulator, type Simulator } from "@wa/simulator";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { startPostgres, type TestPostgres } from "./postgres.ts";
import { SessionsBench, type BenchOptions } from "./sessions-bench.ts";
import { claimRequest, open } from "./store-fixture.ts";
import { until } from "./until.ts";

/** Who may run a device, and when a start may happen. */
const peer = "33660000099";
let simulator: Simulator;
let postgres: TestPostgres;
let phone = "";
let storeUrl = "";
let accounts = 0;

beforeAll(async () => {
  [simulator, postgres] = await Promise.all([startSimulator(), startPostgres()]);
});
afterAll(async () => {
  await simulator[Symbol.asyncDispose]();
  await postgres.stop();
});

async function newAccount(): Promise<void> {
  accounts += 1;
  phone = `3366000${String(accounts).padStart(4, "0")}`;
  storeUrl = await postgres.createDatabase(`o${accounts}`);
}

async function opened(changes: Partial<BenchOptions> = {}): Promise<SessionsBench> {
  const bench = await SessionsBench.open({ simulator, storeUrl, ...changes });
  onTestFinished(async () => await bench[Symbol.asyncDispose]());
  return bench;
}

/** Not before can a start be granted: the store is asked first. */
const queued = async (bench: SessionsBench) =>
  await until("a place in the queue", () => bench.sessions.grantQueue().length === 1);

async function device() {
  const [stats] = Object.values((await simulator.client.stats(phone)).devices);
  if (stats === undefined) throw new Error("no device");
  return stats;
}

describe("a start", () => {
  it("needs a grant, happens when it is due, and asks again for one that came too late", async () => {
    await newAccount();
    const bench = await opened({ isGranting: false });
    bench.assign("d", 1);
    await queued(bench);
    const { registrations } = await simulator.client.stats();
    await sleep(500);
    expect((await simulator.client.stats()).registrations).toBe(registrations);

    bench.asked.length = 0;
    bench.grant("d", { startInMs: 50, validForMs: -1_000 });
    await until("another request", () => bench.asked.length > 0);
    expect(bench.last("d")?.state).toBe("WaitingForGrant");

    const dueMs = performance.now() + 600;
    bench.grant("d", { startInMs: 600 });
    await bench.state("d", "AwaitingPairing");
    expect(performance.now()).toBeGreaterThanOrEqual(dueMs);
    expect(bench.sessions.grantQueue()).toEqual([]);
  });

  it("that the store held up past the end of its grant does not happen: another grant is asked for", async () => {
    await newAccount();
    const bench = await opened({ isGranting: false });
    bench.assign("d", 1);
    await queued(bench);
    const { registrations } = await simulator.client.stats();
    bench.asked.length = 0;
    const client = new Client({ connectionString: storeUrl });
    await client.connect();
    await client.query("begin; lock table wa_device in access exclusive mode");
    bench.grant("d", { validForMs: 300 });
    await sleep(1_000);
    expect(bench.asked).toEqual([]);
    await client.end();
    await until("another request", () => bench.asked.length > 0);
    expect((await simulator.client.stats()).registrations).toBe(registrations);
    bench.grant("d");
    await bench.state("d", "AwaitingPairing");
  });

  it("after pairing is asked for and waits for nobody", async () => {
    await newAccount();
    const bench = await opened({ isGranting: false });
    bench.assign("d", 1);
    await queued(bench);
    bench.grant("d");
    const { qr } = await bench.reported("d", "a code", (report) => report.qr !== undefined);
    await simulator.client.scan(phone, qr?.code ?? "");
    await bench.state("d", "Connected");
    expect(bench.asked).toEqual(["registration", "restart"]);
  });

  it("that nobody wants any more leaves the queue", async () => {
    await newAccount();
    const bench = await opened({ isGranting: false });
    bench.assign("d", 1);
    await until("the queue", () => bench.sessions.grantQueue().length === 1);
    await bench.release("d");
    expect(bench.sessions.grantQueue()).toEqual([]);
  });

  it("waits until the way out is ready, and says why", async () => {
    await newAccount();
    const bench = await opened();
    const problem = { reason: "ProxySecretMissing" as const, message: "the proxy's Secret does not exist" };
    bench.sessions.setEgress({ problem });
    bench.assign("d", 1);
    expect(await bench.state("d", "EgressUnready")).toMatchObject(problem);
    bench.sessions.setEgress({});
    await bench.state("d", "AwaitingPairing");
  });
});

describe("a device that another pod has claimed", () => {
  it("is refused to an older epoch, which hears the stored one and gets it with a newer", async () => {
    await newAccount();
    const [first, second] = [await opened(), await opened()];
    first.assign("d", 5);
    await first.state("d", "AwaitingPairing");
    second.assign("d", 3);
    expect(await second.state("d", "ClaimRefused")).toMatchObject({ storedEpoch: 5 });
    second.assign("d", 6);
    await second.state("d", "AwaitingPairing");
  });

  it("is cut off at its first write without a word to the server; the new owner gets the message", async () => {
    await newAccount();
    const [first, second] = [await opened(), await opened({ isGranting: false })];
    await first.link("d", phone);
    second.assign("d", 2);
    await second.state("d", "WaitingForGrant");
    await simulator.client.text(peer, phone, "for the owner");
    expect(await first.state("d", "ClaimRefused")).toMatchObject({ storedEpoch: 2 });
    expect(await device()).toMatchObject({ messagesAcknowledged: 0, messagesRefused: 0, retryReceipts: 0 });
    second.grant("d");
    await second.state("d", "Connected");
    await until("the receipt", async () => (await device()).messagesAcknowledged === 1);
    expect(await device()).toMatchObject({ messagesRefused: 0, retryReceipts: 0, framesFromOldSocket: 0 });
  });

  it("does not come back by its own backoff and push out the new owner", async () => {
    await newAccount();
    const [first, second] = [await opened(), await opened()];
    await first.link("d", phone);
    await simulator.client.setScenarioOf(phone, {
      rules: [{ stage: "message", times: 1, action: { kind: "reset" } }],
    });
    first.assign("d", 1, { spec: { baseDelayMs: 3_000 } });
    await first.send("d", peer, "breaks the line");
    await first.state("d", "BackingOff");
    second.assign("d", 2);
    await second.state("d", "Connected");
    await first.state("d", "ClaimRefused");
    expect(second.last("d")?.state).toBe("Connected");
    expect(await device()).toMatchObject({ socketsNow: 1, framesFromOldSocket: 0 });
    await until("the text, once", async () => (await simulator.client.messages(peer)).length > 0);
  });
});

it("a device that is released and assigned again at once has one socket at a time", async () => {
  await newAccount();
  const bench = await opened();
  await bench.link("d", phone);
  for (const epoch of [2, 3, 4]) {
    bench.sessions.setAssignments([]);
    bench.assign("d", epoch);
    await bench.reported("d", "Connected", (report) => report.epoch === epoch && report.state === "Connected");
  }
  expect(await device()).toMatchObject({ socketsNow: 1, socketsEver: 4, framesFromOldSocket: 0 });
  expect(bench.said.some(({ lastDisconnect }) => lastDisconnect?.cause === "Replaced")).toBe(false);
});

describe("an entitlement", () => {
  it("ends with the link and the store both silent for half a minute; the session comes back with the store", async () => {
    await newAccount();
    const bench = await opened({ needsLink: true });
    await bench.link("d", phone);
    const { socketsEver } = await device();
    await postgres.crash();
    const silentMs = performance.now();
    await bench.reported("d", "the end", ({ lastDisconnect }) => lastDisconnect?.cause === "NetworkLoss", 60_000);
    expect(performance.now() - silentMs).toBeGreaterThan(20_000);
    await until("the cut", async () => (await device()).socketsNow === 0);
    await bench.state("d", "StoreUnavailable");
    await postgres.start();
    await bench.state("d", "Connected", 30_000);
    expect(await device()).toMatchObject({ socketsEver: socketsEver + 1, framesFromOldSocket: 0 });
  });

  it("ends at once when the store shows a later claim: the former owner does not live on for its half minute", async () => {
    await newAccount();
    const former = await opened({ needsLink: true });
    await former.link("d", phone);
    const claimed = await open(storeUrl);
    const request = claimRequest("d", 2, "another-pod");
    const beganMs = performance.now();
    expect((await claimed.claim(request)).kind).toBe("Granted");
    await until("the end of the old socket", async () => (await device()).socketsNow === 0, 60_000);
    expect(performance.now() - beganMs).toBeLessThan(20_000);
    await former.state("d", "ClaimRefused");
    await claimed[Symbol.asyncDispose]();
  });

  it("lasts while the link answers, whatever the store does", async () => {
    await newAccount();
    const bench = await opened({ needsLink: true });
    await bench.link("d", phone);
    const { socketsEver } = await device();
    await postgres.crash();
    const endMs = performance.now() + 35_000;
    while (performance.now() < endMs) {
      bench.sessions.linkHeard();
      await sleep(1_000);
    }
    expect(await device()).toMatchObject({ socketsNow: 1, socketsEver });
    await postgres.start();
  });
});
