import { join } from "node:path";
import { currentDataKey, deriveCanaryKey, storeKey, type Assignment, type SessionSpec } from "@wa/schema";
import { startSimulator, type Simulator, type Stats } from "@wa/simulator";
import type { TestContext } from "vitest";
import { StoreUnavailableError } from "../src/sessions/ports.ts";
import { createDatabase } from "../src/store/database.ts";
import { enqueueText } from "../src/store/enqueue.ts";
import { createSealer } from "../src/store/seal.ts";
import { podFolders, startPod, type PodFolders, type PodOptions, type PodProcess } from "./pod-process.ts";
import { TestHub } from "./test-hub.ts";
import { until } from "./until.ts";

export const installation = "system/wa";
export const masterKey = Buffer.alloc(32, 7);
export const phone = "4915550001";
export const observedIP = "192.0.2.7";
const spec: SessionSpec = {
  pairing: { method: "QRCode", phoneNumber: "", windowMs: 120_000 },
  browser: { os: "Mac OS", name: "Chrome", version: "14.4.1" },
  clientVersion: "Auto",
  connectTimeoutMs: 10_000,
  keepAliveIntervalMs: 30_000,
  queryTimeoutMs: 20_000,
  baseDelayMs: 1_000,
  maxDelayMs: 10_000,
  unpairedAttempts: 5,
};

const storeKeyOf = (name: string): string => storeKey(installation, "shop", name);

export function assignmentOf(name: string, changes: Partial<SessionSpec> = {}): Assignment {
  return {
    device: { namespace: "shop", name, uid: `u-${name}` },
    epoch: 1,
    dataKeys: [currentDataKey(masterKey, storeKeyOf(name))],
    spec: { ...spec, ...changes },
    desired: "Running",
    pairRequestedAt: "",
  };
}

export const assignment = assignmentOf("till");
export const { device } = assignment;

export type DeviceCounts = Stats["devices"][string];

/** WhatsApp's server, the operator's hub that wants one device to run, and the place of one session pod. */
export class LinkScene implements AsyncDisposable {
  readonly simulator: Simulator;
  readonly folders: PodFolders;
  readonly hub: TestHub;
  readonly #pods: PodProcess[] = [];

  /** @param context of the test: where it fails, the pods' logs are shown */
  static async set({ onTestFailed }: Pick<TestContext, "onTestFailed">): Promise<LinkScene> {
    const simulator = await startSimulator({ tlsPort: 0, echoIp: observedIP });
    const folders = await podFolders();
    const welcome = {
      installation,
      store: { url: `sqlite://${join(folders.root, "store.db")}` },
      canaryKeyBase64: deriveCanaryKey(masterKey),
      whatsapp: {
        url: simulator.wssUrl,
        rootKeyHex: simulator.rootKeyHex,
        caBundle: simulator.caPem,
        clientVersion: "",
      },
    };
    const hub = await TestHub.start({ welcome });
    hub.assign = { egressIPEndpoints: [], assignments: [assignment] };
    const scene = new LinkScene(simulator, folders, hub);
    onTestFailed(() => void process.stderr.write(scene.#pods.map((pod) => pod.log()).join("\n")));
    return scene;
  }

  private constructor(simulator: Simulator, folders: PodFolders, hub: TestHub) {
    this.simulator = simulator;
    this.folders = folders;
    this.hub = hub;
  }

  startPod(options: Partial<PodOptions> = {}): PodProcess {
    const { folders, hub } = this;
    const pod = startPod({ root: folders.root, hubUrl: hub.url, hubCaPem: hub.caPem, ...options });
    this.#pods.push(pod);
    return pod;
  }

  /** Waits for the QR code, scans it, and waits until the device is connected. */
  async pair(name = device.name, ofPhone = phone): Promise<void> {
    const qr = await until("a QR code", () => this.hub.session(`u-${name}`)?.qr, 60_000);
    await this.simulator.client.scan(ofPhone, qr.code);
    await this.hub.reported(`u-${name}`, "Connected", 60_000);
  }

  /** Puts a text into a device's outbox, as soon as the pod lets another process write. */
  async enqueue(name: string, to: string, text: string): Promise<void> {
    const database = createDatabase(this.hub.welcome.store.url);
    const sealer = createSealer(storeKeyOf(name), [currentDataKey(masterKey, storeKeyOf(name))]);
    const outbox = { device: storeKeyOf(name), sealer };
    const enqueued = async (): Promise<boolean> =>
      await enqueueText(database, outbox, { to: `${to}@s.whatsapp.net`, text }).then(
        () => true,
        (error: unknown) => {
          if (error instanceof StoreUnavailableError) return false;
          throw error;
        },
      );
    await until("a place in the outbox", enqueued, 60_000);
    await database.db.destroy();
  }

  /** What the simulator counted of an account's one device. */
  async counts(ofPhone = phone): Promise<DeviceCounts> {
    const { devices } = await this.simulator.client.stats(ofPhone);
    const [only, ...others] = Object.values(devices);
    if (only === undefined || others.length > 0) throw new Error("expected one device");
    return only;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const pod of this.#pods) await pod[Symbol.asyncDispose]();
    await this.hub[Symbol.asyncDispose]();
    await this.simulator[Symbol.asyncDispose]();
    await this.folders[Symbol.asyncDispose]();
  }
}
