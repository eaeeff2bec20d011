import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { deriveCanaryKey } from "@wa/schema";
import { startSimulator, type Simulator } from "@wa/simulator";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFailed, onTestFinished } from "vitest";
import { z } from "zod";
import { FenceLostError } from "../src/sessions/ports.ts";
import { AloneProcess, linkedAlone, type AloneOptions } from "./alone-process.ts";
import { childEnvironment } from "./child-environment.ts";
import { copyStore, rowsOf, type StoreCopy } from "./store-copy.ts";
import { claimed, claimRequest, databaseKinds, open, put, values, type Databases } from "./store-fixture.ts";
import { until } from "./until.ts";

/**
 * What happens to a linked device whose store is put back to a copy after the world has moved on; docs/backup-and-restore.md
 * says this to people. The simulator is the judge: it keeps every ratchet, and hands out one-time keys as WhatsApp does.
 */
const program = join(import.meta.dirname, "../src/messages.ts");
const patientMs = 90_000;
/** Known before the copy; known before it and silent since; met after it; met after the restore. */
const people = { old: "33600000201", silent: "33600000202", fresh: "33600000203", stranger: "33600000204" } as const;
type Person = keyof typeof people;
const everybody = ["old", "silent", "fresh", "stranger"] as const;
const Line = z.object({ text: z.string() });

let simulator: Simulator;
beforeAll(async () => {
  simulator = await startSimulator();
});
afterAll(async () => {
  await simulator[Symbol.asyncDispose]();
});

describe.each(databaseKinds)("a linked device on %s, put back to an older copy", (kind, start) => {
  let databases: Databases;
  beforeAll(async () => {
    databases = await start();
  });
  afterAll(() => databases.stop());

  const phone = kind === "sqlite" ? "33620000021" : "33620000022";
  let url: string;
  let options: AloneOptions;
  let session: AloneProcess;
  beforeEach(async () => {
    url = await databases.freshUrl();
    const folder = await mkdtemp(join(tmpdir(), "wa-restore-"));
    options = { simulator, folder, environment: { WA_STORE: url, WA_KEY_FILE: join(folder, "demo.key") } };
    onTestFailed(() => void process.stderr.write(`${session.errors.slice(-20).join("\n")}\n`));
    onTestFinished(async () => {
      await session[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    });
  });

  const judged = async () => {
    const [device] = Object.values((await simulator.client.stats(phone)).devices);
    if (device === undefined) throw new Error("no device of this account");
    return device;
  };
  const readBy = async (person: Person): Promise<string[]> =>
    (await simulator.client.messages(people[person])).filter(({ from }) => from === phone).map(({ text }) => text);
  const retriesAskedBy = async (person: Person): Promise<number> =>
    (await simulator.client.stats(people[person])).retriesAsked[people[person]] ?? 0;

  async function messages(...args: readonly string[]): Promise<string[]> {
    const flags = ["--conditions=source", "--disable-warning=ExperimentalWarning", program, ...args];
    const env = { ...childEnvironment, WA_STORE: url, WA_MASTER_KEY_FILE: join(options.folder, "demo.key") };
    const { stdout } = await promisify(execFile)(process.execPath, [...flags, "--device", "demo"], { env });
    return stdout
      .split("\n")
      .filter((line) => line.includes("text"))
      .map((line) => Line.parse(JSON.parse(line)).text);
  }
  const inbox = async (): Promise<string[]> => await messages("read");

  async function receive(person: Person, text: string): Promise<void> {
    await simulator.client.text(people[person], phone, text);
    await until(`"${text}" in the inbox`, async () => (await inbox()).includes(text), patientMs);
  }
  async function send(person: Person, text: string): Promise<void> {
    session.send(`+${people[person]}`, text);
    await until(`${person} reads "${text}"`, async () => (await readBy(person)).includes(text), patientMs);
  }
  async function restart(): Promise<void> {
    session = new AloneProcess(options);
    await session.until("Connected", ({ state }) => state === "Connected", patientMs);
  }
  async function stop(): Promise<void> {
    session.signal("SIGTERM");
    await session.exited();
  }

  /** Linked, with two acquaintances, a text that is still to be sent, and then copied. */
  async function copied(): Promise<StoreCopy> {
    session = await linkedAlone(options, phone);
    await receive("old", "before, from old");
    await send("old", "before, to old");
    await send("silent", "before, to silent");
    await stop();
    await messages("send", "--to", `+${people.old}`, "--text", "queued");
    return await copyStore(url);
  }

  /** Ratchets turn, one-time keys are used up and made anew, an acquaintance is made, a text comes while nobody is there. */
  async function lifeGoesOn(): Promise<void> {
    await restart();
    await until("the queued text", async () => (await readBy("old")).includes("queued"), patientMs);
    await receive("old", "lost, from old");
    await send("old", "since, to old");
    await send("silent", "since, to silent");
    await receive("fresh", "lost, from fresh");
    await send("fresh", "since, to fresh");
    const { preKeysNow } = await judged();
    await simulator.client.takeKeys(phone, preKeysNow - 4);
    await until("more one-time keys", async () => (await judged()).preKeysNow > 4, patientMs);
    await stop();
    await simulator.client.text(people.old, phone, "while away");
  }

  it("connects without a QR, has lost what it received since, and asks once for each chat before it reads it again", async () => {
    await using copy = await copied();
    await lifeGoesOn();
    const before = await judged();
    const newestKey = Math.max(...(before.preKeyIds ?? []));
    await copy.putBack();

    await restart();
    expect(session.qrs).toEqual([]);
    await until("the text that waited", async () => (await inbox()).includes("while away"), patientMs);
    expect(await inbox()).toEqual(["before, from old", "while away"]);
    await until("the queued text again", async () => (await judged()).messagesRepeated === 1, patientMs);

    // The library begins a new session at its first text to somebody after a start: no key of the copy is used again.
    await send("silent", "after, to silent");

    // To and from somebody of whom the copy knows nothing.
    await receive("fresh", "after, from fresh");
    await send("fresh", "after, to fresh");

    // By a one-time key of which only the public half is left.
    const { preKeyIds = [], retryReceipts } = await judged();
    const lost = preKeyIds.filter((id) => id > newestKey - 5);
    expect(lost.length).toBeGreaterThan(0);
    await simulator.client.takeKeys(phone, preKeyIds.length - lost.length);
    await receive("stranger", "after, from a stranger");
    expect((await judged()).retryReceipts).toBeGreaterThan(retryReceipts);

    await receive("old", "after, from old");
    await send("old", "after, to old");
    expect(await Promise.all(everybody.map(retriesAskedBy))).toEqual([0, 0, 0, 0]);
    await healed(before.retryReceipts);
  });

  /** Everybody can write and read, nothing came twice, and nobody has to ask any more. */
  async function healed(retriesBefore: number): Promise<void> {
    const { retryReceipts } = await judged();
    expect(retryReceipts).toBeGreaterThan(retriesBefore);
    for (const person of everybody) {
      await receive(person, `at last, from ${person}`);
      await send(person, `at last, to ${person}`);
    }
    expect(await judged()).toMatchObject({ retryReceipts, messagesRefused: 0, isLinked: true, framesFromOldSocket: 0 });
    const received = await inbox();
    expect(new Set(received).size).toBe(received.length);
    expect(received.filter((text) => text.startsWith("lost"))).toEqual([]);
    expect(await readBy("old")).toEqual([
      "before, to old",
      "queued",
      "since, to old",
      "after, to old",
      "at last, to old",
    ]);
    expect(session.reports.map(({ lastDisconnect }) => lastDisconnect?.cause).filter(Boolean)).toEqual([]);
  }
});

describe.each(databaseKinds)("a store on %s, put back to an older copy", (_kind, start) => {
  let databases: Databases;
  let url: string;
  beforeAll(async () => {
    databases = await start();
  });
  afterAll(() => databases.stop());
  beforeEach(async () => {
    url = await databases.freshUrl();
  });

  /** Copied at epoch 3; claimed and written at epoch 7 since. */
  async function putBack(): Promise<void> {
    const early = await open(url);
    await (await claimed(early, "d1", 3)).openGeneration().commit({ puts: [put("a", "of the copy")] });
    await early[Symbol.asyncDispose]();
    await using copy = await copyStore(url);
    const late = await open(url);
    await (await claimed(late, "d1", 7, "pod-b")).openGeneration().commit({ puts: [put("a", "since")] });
    await late[Symbol.asyncDispose]();
    await copy.putBack();
  }

  it("takes the claim of an operator that remembers a higher epoch, and refuses lower ones afterwards", async () => {
    await putBack();
    await using store = await open(url);
    const claim = await claimed(store, "d1", 8, "pod-c");
    expect(await values(claim.openGeneration(), ["a"])).toEqual({ a: "of the copy" });
    expect(await store.claim(claimRequest("d1", 7, "pod-b"))).toEqual({ kind: "Refused", storedEpoch: 8 });
  });

  it("refuses an operator that remembers less, and says above which epoch it has to go", async () => {
    await putBack();
    await using store = await open(url);
    expect(await store.claim(claimRequest("d1", 1, "pod-c"))).toEqual({ kind: "Refused", storedEpoch: 3 });
    expect((await store.claim(claimRequest("d1", 4, "pod-c"))).kind).toBe("Granted");
  });

  it("with another master key it is refused, and not a row changes", async () => {
    await putBack();
    const before = await rowsOf(url);
    const canaryKeyBase64 = deriveCanaryKey(Buffer.alloc(32, 9));
    await expect(open(url, { canaryKeyBase64 })).rejects.toMatchObject({ reason: "MasterKeyMismatch" });
    expect(await rowsOf(url)).toEqual(before);
    expect(before.length).toBeGreaterThan(3);
  });
});

it("a session that ran on while PostgreSQL was put back under it has lost its claim and writes nothing more", async () => {
  const [, [, start]] = databaseKinds;
  const databases = await start();
  onTestFinished(() => databases.stop());
  const url = await databases.freshUrl();
  await using store = await open(url);
  await (await claimed(store, "d1", 3)).openGeneration().commit({ puts: [put("a", "of the copy")] });
  await using copy = await copyStore(url);
  const claim = await claimed(store, "d1", 7, "pod-b");
  const generation = claim.openGeneration();
  await generation.commit({ puts: [put("a", "since")] });
  await copy.putBack();
  expect(await claim.stillOwned()).toBe(false);
  await expect(generation.commit({ puts: [put("a", "late")] })).rejects.toThrow(FenceLostError);
  expect(await values((await claimed(store, "d1", 8)).openGeneration(), ["a"])).toEqual({ a: "of the copy" });
});
