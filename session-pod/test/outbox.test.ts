import { startSimulator } from "@wa/simulator";
import { expect, it } from "vitest";
import { createDatabase } from "../src/store/database.ts";
import { holdWrites } from "./hold-writes.ts";
import { startPostgres } from "./postgres.ts";
import { SessionsBench } from "./sessions-bench.ts";
import { until } from "./until.ts";

it("a list of the outbox that was read before a message's fate was stored does not send the message again", async () => {
  const [phone, peer] = ["33671000001", "33671000099"];
  await using simulator = await startSimulator();
  const postgres = await startPostgres();
  try {
    const reads = gate();
    await using bench = await SessionsBench.open({ simulator, storeUrl: postgres.url, afterOutboxRead: reads.pass });
    await bench.link("d", phone);
    const device = async () => (await simulator.client.stats(phone)).devices[`${phone}:1`];

    await reads.close();
    await bench.send("d", peer, "once");
    const release = await holdWrites(postgres.url, "wa_outbox");
    reads.open();
    await until("the text", async () => (await device())?.messagesReceived === 1);
    await reads.close();
    await release();
    await until("the note", async () => (await states(postgres.url)).includes("Sent"));
    await until("the note's end", async () => (await bench.metrics.registry.metrics()).includes('result="Sent"'));
    reads.open();
    // The read that was held up has been acted upon once the next one is there.
    await reads.close();
    reads.open();
    expect(await device()).toMatchObject({ messagesReceived: 1, messagesRepeated: 0 });
  } finally {
    await postgres.stop();
  }
});

/** Holds up what arrives while it is closed. Closing resolves once something new waits. */
function gate() {
  let closed: PromiseWithResolvers<void> | undefined;
  let arrivals = 0;
  return {
    pass: async (): Promise<void> => {
      arrivals += 1;
      await closed?.promise;
    },
    close: async (): Promise<void> => {
      const before = arrivals;
      closed = Promise.withResolvers();
      await until("one at the gate", () => arrivals > before);
    },
    open: (): void => closed?.resolve(),
  };
}

async function states(url: string): Promise<string[]> {
  const { db } = createDatabase(url);
  const rows = await db.selectFrom("wa_outbox").select("state").execute();
  await db.destroy();
  return rows.map(({ state }) => state);
}
