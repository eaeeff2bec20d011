import { storeKey } from "@wa/schema";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createDatabase } from "../src/store/database.ts";
import { Crowd, expectUnmoved, peer } from "./crowd.ts";
import { memoryOf } from "./memory.ts";
import { until } from "./until.ts";

/** What a pod may need at most for all of its history: a file, what it inflates to, that again in one piece, and slack. */
const mostMB = 150;
const mebibyte = 2 ** 20;
const blobsEach = 8;

type Result = "Read" | "Refused" | "Failed" | "Dropped";

describe("history that comes to the devices of one session pod", () => {
  let crowd: Crowd;
  let hurtPhone: string;
  beforeAll(async () => {
    crowd = await Crowd.gather({ size: 4 });
    hurtPhone = crowd.phoneOf(crowd.hurt);
  });
  beforeEach(({ onTestFailed }) => onTestFailed(() => void process.stderr.write(crowd.pod.log())));
  afterAll(async () => await crowd[Symbol.asyncDispose]());

  const media = async () => (await crowd.scene.simulator.client.stats()).media;
  const blobs = async (result: Result) => await crowd.pod.metric(`whatsapp_history_blobs_total{result="${result}"}`);
  /** Waits for so many more of a result than there were. */
  async function more(result: Result, count: number, work: () => Promise<unknown>): Promise<void> {
    const wanted = (await blobs(result)) + count;
    await work();
    await until(`${count} more ${result}`, async () => (await blobs(result)) >= wanted, 60_000);
    expect(await blobs(result)).toBe(wanted);
  }

  async function hiddenNumbersOf(name: string): Promise<number> {
    const database = createDatabase(crowd.scene.hub.welcome.store.url);
    const device = storeKey(crowd.scene.hub.welcome.installation, "shop", name);
    const query = database.db.selectFrom("wa_value").select("id").where("device", "=", device);
    const rows = await query.where("type", "=", "lid-mapping").execute();
    await database.db.destroy();
    return rows.length;
  }

  it.each(["inline", "download"] as const)("is read for its hidden numbers, by %s", async (by) => {
    const { client } = crowd.scene.simulator;
    const name = by === "inline" ? "d1" : "d2";
    const before = await hiddenNumbersOf(name);
    await more("Read", 1, async () => await client.history(crowd.phoneOf(name), { chats: 300, by }));
    // Each is stored in both directions.
    expect(await hiddenNumbersOf(name)).toBeGreaterThanOrEqual(before + 600);
    const { messagesPending, receipts } = await crowd.scene.counts(crowd.phoneOf(name));
    expect(messagesPending).toBe(0);
    expect(receipts.filter((receipt) => receipt.startsWith("hist_sync"))).toHaveLength(1);
  });

  it("is downloaded one blob at a time, however much comes to how many, and costs no message and no connection", async () => {
    const { client } = crowd.scene.simulator;
    const before = await crowd.calmCounts();
    const { peakMB } = await memoryOf(crowd.pod.pid);
    await client.setScenario({ rules: [{ stage: "media", delayMs: 50, action: { kind: "delay" } }] });
    await more("Read", blobsEach * crowd.names.length, async () => {
      for (const name of crowd.names)
        await client.history(crowd.phoneOf(name), { blobs: blobsEach, chats: 20, zeroMebibytes: 10 });
      await crowd.talk();
    });
    await client.clearScenario();
    await crowd.heardAll();
    expect((await media()).mostAtOnce).toBe(1);
    expect((await memoryOf(crowd.pod.pid)).peakMB).toBeLessThan(peakMB + mostMB);
    expectUnmoved(await crowd.calmCounts(), before);
  });

  it("is neither asked for nor counted beyond the cap", async () => {
    const { client } = crowd.scene.simulator;
    const { asked } = await media();
    await client.history(hurtPhone, { noiseBytes: 5 * mebibyte });
    await client.history(hurtPhone, { syncType: "FULL" });
    await more("Read", 1, async () => await client.history(hurtPhone, {}));
    expect((await media()).asked).toBe(asked + 1);
  });

  it("may lie about its size: what it inflates to, and the file's own length, are refused at their caps", async () => {
    const { client } = crowd.scene.simulator;
    const before = await crowd.calmCounts();
    const { peakMB } = await memoryOf(crowd.pod.pid);
    const lie = { fileLength: 1_000 };
    await more("Refused", 5, async () => {
      await client.history(hurtPhone, { ...lie, zeroMebibytes: 100, by: "inline", blobs: 2 });
      await client.history(hurtPhone, { ...lie, zeroMebibytes: 1_000, by: "download" });
      await client.history(hurtPhone, { ...lie, noiseBytes: 6 * mebibyte });
      await client.history(hurtPhone, { ...lie, chats: 30_000 });
    });
    await crowd.talk();
    await crowd.heardAll();
    expect((await memoryOf(crowd.pod.pid)).peakMB).toBeLessThan(peakMB + mostMB);
    expectUnmoved(await crowd.calmCounts(), before);
  });

  it("may fail in every way; the session's messages do not wait for it, and the next blob is read", async () => {
    const { client } = crowd.scene.simulator;
    const before = await crowd.scene.counts(hurtPhone);
    await client.setScenarioOf(hurtPhone, {
      rules: [
        { stage: "media", times: 1, action: { kind: "http", status: 404 } },
        { stage: "media", times: 1, action: { kind: "garbage", bytes: 2_000 } },
        { stage: "media", times: 1, action: { kind: "reset" } },
        { stage: "media", times: 1, action: { kind: "close" } },
        { stage: "media", times: 1, action: { kind: "silence" } },
      ],
    });
    await more("Read", 1, async () =>
      more("Failed", 5, async () => {
        const { asked } = await media();
        await client.history(hurtPhone, { blobs: 6, noiseBytes: 500_000 });
        await until("the silence", async () => (await media()).asked === asked + 5);
        const acknowledged = (await crowd.scene.counts(hurtPhone)).messagesAcknowledged;
        await client.text(peer, hurtPhone, "while nothing comes");
        const isHeard = async () => (await crowd.scene.counts(hurtPhone)).messagesAcknowledged > acknowledged;
        await until("the text, before the silence ends", isHeard, 10_000);
        expect((await media()).asked).toBe(asked + 5);
      }),
    );
    expect(await crowd.scene.counts(hurtPhone)).toMatchObject({ socketsNow: 1, socketsEver: before.socketsEver });
    expect(await crowd.pod.metric("whatsapp_session_faults_total")).toBe(0);
  });
});
