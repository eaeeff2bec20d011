import { currentDataKey } from "@wa/schema";
import { takeRow } from "../src/store/claim.ts";
import { createDatabase } from "../src/store/database.ts";
import { inFence } from "../src/store/fence.ts";
import { createSealer } from "../src/store/seal.ts";
import { sealBatch, writeBatch } from "../src/store/write-batch.ts";
import { addTo, emptyBatch } from "../src/store/batch.ts";
import { deviceKey, masterKey, open, put } from "./store-fixture.ts";

/**
 * A process of its own that claims a device and, told `write ID VALUE`, writes it in a fenced transaction which it keeps
 * open until it is told `go`. Told `open`, it opens the store, as many processes do at once after a rollout.
 */
const [url = "", name = "", epoch = "1"] = process.argv.slice(2);
const device = deviceKey(name);
const say = (message: string): void => void process.send?.(message);

function told(expected: string): Promise<string> {
  return new Promise((resolve) => {
    const listen = (message: unknown): void => {
      if (typeof message !== "string" || !message.startsWith(expected)) return;
      process.off("message", listen);
      resolve(message);
    };
    process.on("message", listen);
  });
}

async function hold(): Promise<void> {
  const database = createDatabase(url);
  const taken = await takeRow(database, { device, epoch: Number(epoch), owner: "holder", dataKeys: [] });
  if (taken.kind === "Refused") throw new Error("refused");
  const sealer = createSealer(device, [currentDataKey(masterKey, device)]);
  say("claimed");
  for (;;) {
    const [, id = "", value = ""] = (await told("write")).split(" ");
    const batch = emptyBatch();
    addTo(batch, { puts: [put(id, value)] });
    try {
      await inFence(database, taken.fence, async (trx) => {
        await writeBatch(trx, device, sealBatch(device, sealer, batch));
        const go = told("go");
        say("holding");
        await go;
      });
      say("written");
    } catch (error) {
      say(error instanceof Error ? error.name : "unknown");
    }
  }
}

async function openOnly(): Promise<void> {
  const go = told("open");
  say("ready");
  await go;
  await using store = await open(url);
  await store.ping();
  say("opened");
  process.disconnect();
}

await (name === "" ? openOnly() : hold());
