import { resolve } from "node:path";
import { startSimulator, type Simulator } from "@wa/simulator";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { AloneProcess, endedUnless, linkedAlone } from "./alone-process.ts";
import { AloneScene } from "./alone-scene.ts";
import type { WantedMoment } from "./die-at-moment.ts";
import { startPostgres, type TestPostgres } from "./postgres.ts";
import { until } from "./until.ts";

/**
 * A session's process is killed by itself at a named moment, so that no moment is missed by chance. What must hold afterwards
 * is the last part of each row.
 */
const hook = resolve(import.meta.dirname, "die-at-moment.ts");
const patienceMs = 60_000;

// Two cores, and each row has one process at work at a time.
vi.setConfig({ maxConcurrency: 3 });

let simulator: Simulator;
let postgres: TestPostgres;
let accounts = 0;

beforeAll(async () => {
  [simulator, postgres] = await Promise.all([startSimulator(), startPostgres()]);
});
afterAll(async () => {
  await simulator[Symbol.asyncDispose]();
  await postgres.stop();
});

async function newScene(): Promise<AloneScene> {
  accounts += 1;
  const number = String(accounts).padStart(4, "0");
  const url = await postgres.createDatabase(`m${accounts}`);
  return await AloneScene.open({ simulator, phone: `3363000${number}`, peer: `3364000${number}`, url });
}

const dying = (scene: AloneScene, moments: readonly WantedMoment[], more: Record<string, string> = {}) =>
  new AloneProcess({
    ...scene.run,
    imports: [hook],
    environment: { ...scene.run.environment, DIE_AT: JSON.stringify(moments), ...more },
  });

const credentials = (step: string): WantedMoment => ({ kind: "commit", step, holds: "creds" });
const preKeys = (step: string): WantedMoment => ({ kind: "commit", step, holds: "pre-key" });
const accepted: WantedMoment = { kind: "heard", tag: "success" };

/** What the server knows at the kill: no device, a device without keys, or a device with the keys of its first batch. */
type Known = "no device" | "no keys" | "all keys";

const pairing: readonly (readonly [string, readonly WantedMoment[], Known])[] = [
  ["the phone's signature arrived", [{ kind: "heard", tag: "iq", child: "pair-success" }], "no device"],
  ["the commit of the credentials begins", [credentials("begins")], "no device"],
  ["the credentials are written, not committed", [credentials("written")], "no device"],
  ["the pairing's answer has left", [{ kind: "released" }], "no keys"],
  ["the server asks for the restart", [{ kind: "heard", tag: "stream:error" }], "no keys"],
  ["the first login is accepted", [accepted], "no keys"],
  ["the commit of the first 812 prekeys begins", [accepted, preKeys("begins")], "no keys"],
  ["the prekeys are written, not committed", [accepted, preKeys("written")], "no keys"],
  ["the prekeys are committed, not uploaded", [accepted, preKeys("done")], "no keys"],
  [
    "the upload's answer is on its way",
    [accepted, preKeys("done"), { kind: "heard", tag: "iq", type: "result" }],
    "all keys",
  ],
];

describe.concurrent("killed while it is linked, when", () => {
  it.each(pairing)("%s", async (_moment, moments, known) => {
    await using scene = await newScene();
    await using dead = dying(scene, moments);
    // The phone's side fails where the device dies before it answers.
    const scanned = simulator.client.scan(scene.phone, await dead.qr()).catch(() => undefined);
    expect(await dead.endedBy()).toBe("SIGKILL");
    await scanned;
    expect(await knownOf(scene)).toBe(known);

    await using again = known === "no device" ? await linkedAlone(scene.run, scene.phone) : new AloneProcess(scene.run);
    await again.connected();
    expect(again.qrs.length > 0).toBe(known === "no device");
    await expectWhole(scene, again);
  });

  /** The one moment that needs a refused login: the store knows of a link that the phone does not know of. */
  it("the credentials are committed, and the phone has not got its confirmation", async () => {
    await using scene = await newScene();
    await using dead = dying(scene, [credentials("done")]);
    const scanned = simulator.client.scan(scene.phone, await dead.qr()).catch(() => undefined);
    expect(await dead.endedBy()).toBe("SIGKILL");
    await scanned;
    expect(await knownOf(scene)).toBe("no device");
    await using again = await linkedAlone(scene.run, scene.phone);
    await expectWhole(scene, again);
  });
});

async function knownOf(scene: AloneScene): Promise<Known> {
  // What the dead socket had sent has been read once its end was seen.
  await until("the socket's end", async () => {
    const { connections } = await simulator.client.stats(scene.phone);
    return connections.every(({ closedAt }) => closedAt !== undefined);
  });
  if (!(await scene.isLinked())) return "no device";
  const { preKeysNow } = await scene.device();
  return preKeysNow === 0 ? "no keys" : "all keys";
}

async function expectWhole(scene: AloneScene, session: AloneProcess): Promise<void> {
  await scene.exchange(session, "afterwards");
  const device = await scene.device();
  expect(device.preKeysNow).toBeGreaterThanOrEqual(811);
  expect(await scene.preKeysWithoutPrivateHalf()).toEqual([]);
  expect(device).toMatchObject({ messagesRefused: 0, retryReceipts: 0, framesFromOldSocket: 0 });
  expect(await scene.unreadable()).toBe(0);
}

const received = (step: string): WantedMoment => ({ kind: "commit", step, holds: "inbox" });
const turned = (step: string): WantedMoment => ({ kind: "commit", step, holds: "session" });
const noted = (step: string): WantedMoment => ({ kind: "commit", step, holds: "outbox" });
const acknowledged: WantedMoment = { kind: "heard", tag: "ack", type: "message" };

/** Last: how often the server gets the message a second time. */
const incoming: readonly (readonly [string, WantedMoment])[] = [
  ["it arrived", { kind: "heard", tag: "message" }],
  ["its commit begins", received("begins")],
  ["it is written, not committed", received("written")],
  ["it is committed, not acknowledged", received("done")],
];
const outgoing: readonly (readonly [string, WantedMoment, number])[] = [
  ["the commit of its ratchet begins", turned("begins"), 0],
  ["its ratchet is written, not committed", turned("written"), 0],
  ["its ratchet is committed, and it has not left", turned("done"), 0],
  ["the server's answer arrived", acknowledged, 1],
  ["the answer is written, not committed", noted("written"), 1],
  ["the answer is committed", noted("done"), 0],
];

async function armed(scene: AloneScene, moment: WantedMoment): Promise<AloneProcess> {
  const session = dying(scene, [moment], { DIE_WHEN_ARMED: "1" });
  return await endedUnless(session, async () => {
    await simulator.client.scan(scene.phone, await session.qr());
    await session.connected();
    await scene.exchange(session, "first");
    session.signal("SIGUSR2");
    await until("armed", () => session.errors.includes("armed"));
  });
}

describe.concurrent("killed over a message, when", () => {
  it.each(incoming)("%s: it is in the inbox once and acknowledged", async (_moment, moment) => {
    await using scene = await newScene();
    await using dead = await armed(scene, moment);
    await scene.textFromPeer("the message");
    expect(await dead.endedBy()).toBe("SIGKILL");
    expect(await scene.device()).toMatchObject({ messagesAcknowledged: 1, messagesPending: 1 });
    await using again = new AloneProcess(scene.run);
    await until("the receipt", async () => (await scene.device()).messagesPending === 0, patienceMs);
    expect(await scene.inboxTexts()).toEqual(["first in", "the message"]);
    await expectWhole(scene, again);
  });

  it.each(outgoing)("%s: the peer reads it once", async (_moment, moment, messagesRepeated) => {
    await using scene = await newScene();
    await using dead = await armed(scene, moment);
    await scene.enqueue("the message");
    expect(await dead.endedBy()).toBe("SIGKILL");
    await using again = new AloneProcess(scene.run);
    await until("the note", async () => (await scene.queued()) === 0, patienceMs);
    expect(await scene.sentTexts()).toEqual(["first out", "the message"]);
    expect(await scene.device()).toMatchObject({ messagesRepeated });
    await expectWhole(scene, again);
  });
});
