import { join } from "node:path";
import { currentDataKey, deriveCanaryKey, storeKey, type Assignment } from "@wa/schema";
import { startSimulator } from "@wa/simulator";
import { expect, it } from "vitest";
import { createDatabase } from "../src/store/database.ts";
import { enqueueText } from "../src/store/enqueue.ts";
import { createSealer } from "../src/store/seal.ts";
import { podFolders, startPod } from "./pod-process.ts";
import { TestHub } from "./test-hub.ts";
import { until } from "./until.ts";

const installation = "system/wa";
const masterKey = Buffer.alloc(32, 7);

function assignmentOf(name: string): Assignment {
  const device = { namespace: "shop", name, uid: `u-${name}` };
  return {
    device,
    epoch: 1,
    dataKeys: [currentDataKey(masterKey, storeKey(installation, device.namespace, device.name))],
    spec: {
      pairing: { method: "QRCode", phoneNumber: "", windowMs: 120_000 },
      browser: { os: "Mac OS", name: "Chrome", version: "14.4.1" },
      clientVersion: "Auto",
      connectTimeoutMs: 10_000,
      keepAliveIntervalMs: 30_000,
      queryTimeoutMs: 20_000,
      baseDelayMs: 500,
      maxDelayMs: 10_000,
      unpairedAttempts: 5,
    },
    desired: "Running",
    pairRequestedAt: "",
  };
}

it("a frame that one session cannot decrypt ends that session alone; it comes back, and the other never notices", async () => {
  await using simulator = await startSimulator({ tlsPort: 0 });
  await using folders = await podFolders();
  await using hub = await TestHub.start({
    welcome: {
      installation,
      store: { url: `sqlite://${join(folders.root, "store.db")}` },
      canaryKeyBase64: deriveCanaryKey(masterKey),
      whatsapp: {
        url: simulator.wssUrl,
        rootKeyHex: simulator.rootKeyHex,
        caBundle: simulator.caPem,
        clientVersion: "",
      },
    },
  });
  hub.assign = { egressIPEndpoints: [], assignments: ["hurt", "calm"].map(assignmentOf) };
  await using pod = startPod({ root: folders.root, hubUrl: hub.url, hubCaPem: hub.caPem });
  const phones = { hurt: "33630000001", calm: "33630000002" };
  for (const [name, phone] of Object.entries(phones)) {
    const qr = await until("a QR code", () => hub.session(`u-${name}`)?.qr);
    await simulator.client.scan(phone, qr.code);
    await hub.reported(`u-${name}`, "Connected");
  }
  const stats = async (phone: string) => {
    const [device] = Object.values((await simulator.client.stats(phone)).devices);
    if (device === undefined) throw new Error("no device");
    return device;
  };
  const [hurtBefore, calmBefore] = [await stats(phones.hurt), await stats(phones.calm)];

  await simulator.client.setScenarioOf(phones.hurt, {
    rules: [{ stage: "message", times: 1, action: { kind: "garbage", bytes: 64 } }],
  });
  await enqueue(folders.root, "hurt");
  await until("a fault", () => hub.session("u-hurt")?.lastDisconnect?.cause === "SessionFault");
  await hub.reported("u-hurt", "Connected");

  expect(pod.log()).toContain("session fault");
  expect(await stats(phones.calm)).toMatchObject({ socketsNow: 1, socketsEver: calmBefore.socketsEver });
  expect(await stats(phones.hurt)).toMatchObject({
    socketsNow: 1,
    socketsEver: hurtBefore.socketsEver + 1,
    framesFromOldSocket: 0,
  });
  expect(hub.session("u-calm")?.lastDisconnect?.cause).toBe("RestartRequired");
  await until("the message", async () => (await simulator.client.messages("33630000003")).length === 1);
});

async function enqueue(root: string, name: string): Promise<void> {
  const device = storeKey(installation, "shop", name);
  const database = createDatabase(`sqlite://${join(root, "store.db")}`);
  const sealer = createSealer(device, [currentDataKey(masterKey, device)]);
  await enqueueText(database, { device, sealer }, { to: "33630000003@s.whatsapp.net", text: "hello" });
  await database.db.destroy();
}
