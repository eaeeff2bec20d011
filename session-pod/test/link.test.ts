import { join } from "node:path";
import { currentDataKey, deriveCanaryKey, podPaths, storeKey, type Assignment } from "@wa/schema";
import { startSimulator, type Simulator } from "@wa/simulator";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { podFolders, startPod, type PodFolders, type PodProcess } from "./pod-process.ts";
import { TestHub } from "./test-hub.ts";
import { until } from "./until.ts";

const installation = "system/wa";
const masterKey = Buffer.alloc(32, 7);
const device = { namespace: "shop", name: "till", uid: "u-till" };
const observedIP = "192.0.2.7";

const assignment: Assignment = {
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
    baseDelayMs: 1_000,
    maxDelayMs: 10_000,
    unpairedAttempts: 5,
  },
  desired: "Running",
  pairRequestedAt: "",
};

let simulator: Simulator;
let folders: PodFolders;
let hub: TestHub;
let pods: PodProcess[] = [];
let phones = 0;

beforeAll(async () => {
  simulator = await startSimulator({ tlsPort: 0, echoIp: observedIP });
});
afterAll(async () => await simulator[Symbol.asyncDispose]());

afterEach(async ({ task }) => {
  if (task.result?.state === "fail") process.stderr.write(pods.map((pod) => pod.log()).join("\n---\n"));
  for (const pod of pods) await pod[Symbol.asyncDispose]();
  pods = [];
  await hub[Symbol.asyncDispose]();
  await folders[Symbol.asyncDispose]();
});

/** A hub that wants one device to run, and the folders of a pod. */
async function prepare(): Promise<void> {
  folders = await podFolders();
  hub = await TestHub.start({
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
  hub.assign = { egressIPEndpoints: [], assignments: [assignment] };
}

function start(options: Partial<Parameters<typeof startPod>[0]> = {}): PodProcess {
  const pod = startPod({ root: folders.root, hubUrl: hub.url, hubCaPem: hub.caPem, ...options });
  pods.push(pod);
  return pod;
}

const newPhone = (): string => {
  phones += 1;
  return `49155500${100 + phones}`;
};

async function pair(phone: string): Promise<void> {
  const { qr } = await until("a QR code", () => {
    const session = hub.session(device.uid);
    return session?.qr === undefined ? undefined : session;
  });
  await simulator.client.scan(phone, qr?.code ?? "");
  await hub.reported(device.uid, "Connected");
}

async function deviceStats(phone: string) {
  const { devices } = await simulator.client.stats(phone);
  const [only, ...others] = Object.values(devices);
  if (only === undefined || others.length > 0) throw new Error("expected one device");
  return only;
}

const kinds = (): string[] => hub.frames.map(({ kind }) => kind);

describe("a session pod on the operator's link", () => {
  it("says hello, takes the assignment, shows a QR code and is connected once that was scanned", async () => {
    await prepare();
    start();
    const phone = newPhone();
    await pair(phone);

    expect(hub.hellos()[0]).toEqual({
      kind: "hello",
      version: 1,
      endpoint: "direct-default",
      pod: { namespace: "shop", name: "direct-default-0", uid: "pod-uid-1", node: "node-1" },
      sessions: [],
      selfGranted: [],
    });
    expect(hub.authorizations[0]).toBe("Bearer token-1");
    const asked = hub.frames.flatMap((frame) => (frame.kind === "grant-request" ? frame.requests : []));
    expect([...new Set(asked.map(({ bucket }) => bucket))]).toEqual(["registration", "restart"]);
    expect(hub.session(device.uid)).toMatchObject({ epoch: 1, paired: true, identity: { jid: expect.any(String) } });
    expect(await deviceStats(phone)).toMatchObject({ isLinked: true, socketsNow: 1, logins: 1 });
  });

  it("keeps its sessions while the hub is gone, and says everything anew when it is back", async () => {
    await prepare();
    start();
    const phone = newPhone();
    await pair(phone);
    const before = await deviceStats(phone);
    await hub.down();
    // Longer than a link and a store may both be silent.
    await new Promise((resolve) => setTimeout(resolve, 35_000));
    expect(await deviceStats(phone)).toMatchObject({ socketsNow: 1, socketsEver: before.socketsEver });
    hub.frames.length = 0;
    await folders.write(podPaths.token, "token-2\n");
    await hub.up();
    await until("a hello", () => hub.hellos()[0]);
    expect(hub.hellos()[0]?.sessions).toMatchObject([{ device, state: "Connected" }]);
    expect(hub.authorizations.at(-1)).toBe("Bearer token-2");
    expect(await deviceStats(phone)).toMatchObject({ socketsNow: 1, socketsEver: before.socketsEver });
  });

  it("comes back by itself after a container restart without an operator, without a QR code, and reports the start later", async () => {
    await prepare();
    const pod = start();
    const phone = newPhone();
    await pair(phone);
    const { registrations, qrRefs } = await simulator.client.stats();
    await hub.down();
    await pod.end("SIGKILL");
    await until("the old socket is gone", async () => (await deviceStats(phone)).socketsNow === 0);

    start();
    await until("the device is back", async () => (await deviceStats(phone)).logins === 2, 45_000);
    expect(await simulator.client.stats()).toMatchObject({ registrations, qrRefs });

    hub.frames.length = 0;
    await hub.up();
    const [hello] = await until("a hello", () => hub.hellos().length > 0 && hub.hellos());
    expect(hello).toMatchObject({
      sessions: [{ device, state: "Connected" }],
      selfGranted: [{ device, bucket: "login" }],
    });
    hub.cut();
    await until("a second hello", () => hub.hellos()[1]);
    expect(hub.hellos()[1]?.selfGranted).toEqual([]);
  });

  it("releases its sessions at SIGTERM and exits with 0", async () => {
    await prepare();
    const pod = start();
    const phone = newPhone();
    await pair(phone);
    expect(await pod.end("SIGTERM")).toBe(0);
    expect(hub.session(device.uid)?.state).toBe("Released");
    await until("the socket is gone", async () => (await deviceStats(phone)).socketsNow === 0);
    expect(await deviceStats(phone)).toMatchObject({ isLinked: true, logouts: 0 });
  });

  it("releases a session that is assigned no more", async () => {
    await prepare();
    start();
    const phone = newPhone();
    await pair(phone);
    hub.assign = { egressIPEndpoints: [], assignments: [] };
    hub.sayAssign();
    await hub.reported(device.uid, "Released");
    await until("the socket is gone", async () => (await deviceStats(phone)).socketsNow === 0);
  });

  it("starts nothing without a grant, nor without a leader if it is not linked", async () => {
    await prepare();
    hub.isGranting = false;
    start();
    await hub.reported(device.uid, "WaitingForGrant");
    await hub.down();
    const { registrations } = await simulator.client.stats();
    await new Promise((resolve) => setTimeout(resolve, 30_000));
    expect((await simulator.client.stats()).registrations).toBe(registrations);
  });

  it("drops frames of a leader of before and frames that are none", async () => {
    await prepare();
    hub.term = 5;
    const pod = start();
    const phone = newPhone();
    await pair(phone);
    hub.say({ kind: "assign", term: 4, egressIPEndpoints: [], assignments: [] });
    hub.sayText("no JSON");
    hub.sayText('{"kind":"assign","term":"five"}');
    await until("all three are dropped", () => (pod.log().match(/dropped/g)?.length ?? 0) === 3);
    expect(hub.session(device.uid)?.state).toBe("Connected");
    expect(await deviceStats(phone)).toMatchObject({ socketsNow: 1 });
    expect(pod.log()).toContain("no JSON");
  });

  it("dials a hub that does not lead again soon, and one that refuses it later, with the reason in its log", async () => {
    await prepare();
    hub.answer = { kind: "not-leader" };
    const pod = start();
    await until("five dials", () => hub.hellos().length >= 5);
    hub.answer = { kind: "refused", reason: "ForeignPod", message: "no endpoint knows this pod" };
    await until("the reason", () => pod.log().includes("ForeignPod"));
    const dials = hub.hellos().length;
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect(hub.hellos().length).toBe(dials);
    hub.answer = undefined;
    await until("an assignment is taken", () => hub.session(device.uid));
  });
});

describe("a session pod's way out", () => {
  it("is measured before the first start is asked for", async () => {
    await prepare();
    hub.assign = { egressIPEndpoints: [`${simulator.controlUrl}/ip`], assignments: [assignment] };
    start();
    await pair(newPhone());
    const measured = hub.frames.findIndex((frame) => frame.kind === "egress" && frame.observedIPs[0] === observedIP);
    const asked = hub.frames.findIndex((frame) => frame.kind === "grant-request" && frame.requests.length > 0);
    expect(measured).toBeGreaterThan(kinds().indexOf("hello"));
    expect(asked).toBeGreaterThan(measured);
    expect(hub.session(device.uid)?.observedIP).toBe(observedIP);
  });

  it("is told when no echo answers, and holds nobody up", async () => {
    await prepare();
    hub.assign = { egressIPEndpoints: [`${simulator.controlUrl}/sw.js`], assignments: [assignment] };
    start();
    await pair(newPhone());
    expect(hub.egress()).toMatchObject({ observedIPs: [], problem: { reason: "EchoFailed" } });
  });

  it("waits for the proxy's Secret, names what is missing, and goes on by itself", async () => {
    await prepare();
    const credentials = { usernameKey: "user", passwordKey: "pass" };
    start({ egress: { kind: "proxy", protocol: "socks5", host: "127.0.0.1", port: 9, credentials } });
    await hub.reported(device.uid, "EgressUnready");
    expect(hub.session(device.uid)?.reason).toBe("ProxySecretMissing");
    expect(hub.egress()?.problem?.reason).toBe("ProxySecretMissing");
    expect(hub.frames.some((frame) => frame.kind === "grant-request" && frame.requests.length > 0)).toBe(false);

    await folders.write(join(podPaths.proxyFolder, "user"), "somebody");
    await until("the key is missed", () => hub.egress()?.problem?.reason === "ProxySecretKeyMissing");
    await folders.write(join(podPaths.proxyFolder, "pass"), "a-secret-password");
    await until("it healed", () => hub.egress()?.problem === undefined);
    await until("a start is asked for", () =>
      hub.frames.some((frame) => frame.kind === "grant-request" && frame.requests.length > 0),
    );
    expect(pods[0]?.log()).not.toContain("a-secret-password");
  });
});

describe("a session pod's environment", () => {
  it("ends the process with the variable, its value and what is allowed where it is wrong", async () => {
    await prepare();
    const pod = start({ environment: { WA_LOG_LEVEL: "loud" } });
    expect(await pod.exited).toBe(1);
    expect(pod.log()).toContain('WA_LOG_LEVEL is "loud", allowed: one of trace, debug, info');
  });
});
