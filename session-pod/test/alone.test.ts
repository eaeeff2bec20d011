import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startSimulator, type Simulator } from "@wa/simulator";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { AloneProcess, linkedAlone, storeIn, type AloneOptions } from "./alone-process.ts";
import { serve } from "./egress-servers.ts";
import { until } from "./until.ts";

const peer = "33600000099";
let simulator: Simulator;
let phone: string;
let accounts = 0;

beforeAll(async () => {
  simulator = await startSimulator({ tlsPort: 0 });
});
afterAll(async () => {
  await simulator[Symbol.asyncDispose]();
});
beforeEach(() => {
  accounts += 1;
  phone = `3361000${String(accounts).padStart(4, "0")}`;
});

async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), "wa-alone-"));
  onTestFinished(async () => await rm(made, { recursive: true, force: true }));
  return made;
}

const options = async (changes: Partial<AloneOptions> = {}): Promise<AloneOptions> => ({
  simulator,
  folder: await folder(),
  ...changes,
});

async function deviceStats() {
  const { devices } = await simulator.client.stats(phone);
  const [device] = Object.values(devices);
  if (device === undefined) throw new Error("the simulator knows no device of this account");
  return device;
}

describe("a session run alone", () => {
  it("shows a QR code, connects when it is scanned, and carries text both ways", async () => {
    await using session = await linkedAlone(await options(), phone);
    session.send(`+${peer}`, "Bonjour, ça va ? 👋");
    await until("the peer has the text", async () =>
      (await simulator.client.messages(peer)).some(({ from }) => from === phone),
    );
    const sent = (await simulator.client.messages(peer)).filter(({ from }) => from === phone);
    expect(sent.map(({ text }) => text)).toEqual(["Bonjour, ça va ? 👋"]);

    await simulator.client.text(peer, phone, "salut");
    await until("the receipt", async () => (await deviceStats()).messagesAcknowledged === 1);
    expect(await deviceStats()).toMatchObject({ framesFromOldSocket: 0, retryReceipts: 0, messagesRefused: 0 });
  });

  it("is connected again after a restart, without a QR code and without a second pairing", async () => {
    const run = await options();
    const first = await linkedAlone(run, phone);
    first.signal("SIGTERM");
    expect(await first.exited()).toBe(0);
    expect(first.last?.state).toBe("Released");

    await using second = new AloneProcess(run);
    const { paired, epoch } = await second.connected();
    expect({ paired, epoch, qrs: second.qrs }).toEqual({ paired: true, epoch: 2, qrs: [] });
    expect(await deviceStats()).toMatchObject({ logins: 2, socketsEver: 2, framesFromOldSocket: 0 });
  });

  it("is linked by a pairing code", async () => {
    await using session = new AloneProcess(await options({ flags: ["--pairing-code", `+${phone}`] }));
    const { pairingCode } = await session.until("a code", (report) => report.pairingCode !== undefined);
    expect(pairingCode?.code).toMatch(/^[0-9A-Z]{8}$/);
    await simulator.client.enterCode(phone, pairingCode?.code ?? "");
    expect((await session.connected()).identity?.jid).toContain(phone);
    expect(session.qrs).toEqual([]);
  });

  it("starts afresh when it is killed between the pairing code and its entry", async () => {
    const run = await options({ flags: ["--pairing-code", `+${phone}`] });
    const first = new AloneProcess(run);
    await first.until("a code", (report) => report.pairingCode !== undefined);
    first.signal("SIGKILL");
    await first.exited();

    await using second = new AloneProcess(run);
    const { pairingCode } = await second.until("a code", (report) => report.pairingCode !== undefined);
    await simulator.client.enterCode(phone, pairingCode?.code ?? "");
    await second.connected();
  });

  it("unlinks, erases its credentials and ends with --logout", async () => {
    const run = await options();
    const first = await linkedAlone(run, phone);
    first.signal("SIGINT");
    await first.exited();

    const second = new AloneProcess({ ...run, flags: ["--logout"] });
    expect(await second.exited()).toBe(0);
    expect(second.reports.map(({ state }) => state)).toContain("LogoutDone");
    expect(await deviceStats()).toMatchObject({ isLinked: false, logouts: 1 });

    await using third = new AloneProcess(run);
    expect(await third.qr()).toContain("https://wa.me/");
  });

  it("archives its credentials when the phone unlinks it, and asks for a scan after a restart", async () => {
    const run = await options();
    const first = await linkedAlone(run, phone);
    await simulator.client.unlink(phone, 1);
    const { lastDisconnect } = await first.until("LoggedOut", ({ state }) => state === "LoggedOut");
    expect(lastDisconnect).toMatchObject({ cause: "LoggedOut", statusCode: 401 });
    first.signal("SIGTERM");
    await first.exited();

    await using second = new AloneProcess(run);
    expect(await second.qr()).toContain("https://wa.me/");
  });

  it("keeps its key for its owner alone, and no secret in its log", async () => {
    const run = await options({ environment: { WA_LOG_LEVEL: "trace" } });
    await using session = await linkedAlone(run, phone);
    const keyFile = `${storeIn(run.folder)}.key`;
    expect((await stat(keyFile)).mode & 0o777).toBe(0o600);
    const key = (await readFile(keyFile, "utf8")).trim();
    session.send(`+${peer}`, "a secret text");
    await until("the text", async () => (await deviceStats()).messagesReceived === 1);
    const log = session.errors.join("\n");
    for (const secret of [key, phone, peer, "a secret text", session.qrs[0] ?? "no code"])
      expect(log.includes(secret)).toBe(false);
  });

  it("ends when another process takes the device over", async () => {
    const run = await options();
    await using first = await linkedAlone(run, phone);
    await using second = new AloneProcess(run);
    await second.connected();
    expect(await first.exited()).toBe(0);
    expect(first.reports.some(({ state, reason }) => state === "ClaimRefused" || reason === "Replaced")).toBe(true);
    expect(second.last?.state).toBe("Connected");
  });

  it("trusts the certificates of WA_CA_FILE, and no server without them", async () => {
    const run = await options();
    const caFile = join(run.folder, "ca.pem");
    await writeFile(caFile, simulator.caPem);
    await using stranger = new AloneProcess({ ...run, environment: { WA_URL: simulator.wssUrl } });
    const { lastDisconnect } = await stranger.until("an end", (report) => report.lastDisconnect !== undefined);
    expect(lastDisconnect?.cause).toBe("TlsFault");
    stranger.signal("SIGTERM");
    expect(await stranger.exited()).toBe(0);

    const environment = { WA_URL: simulator.wssUrl, WA_CA_FILE: caFile };
    await using session = await linkedAlone({ ...run, environment }, phone);
    expect(session.last?.state).toBe("Connected");
  });

  it.each(["SIGTERM", "SIGINT"] as const)("ends at %s while it waits for a scan", async (signal) => {
    await using session = new AloneProcess(await options());
    await session.qr();
    session.signal(signal);
    expect(await session.exited()).toBe(0);
    expect(session.last?.state).toBe("Released");
  });

  it("says what is wrong with a line of standard input, and goes on", async () => {
    await using session = await linkedAlone(await options(), phone);
    session.write('{"send": {"to": "33612345678"}}');
    await until("the complaint", () => session.errors.some((line) => line.startsWith("standard input: ")));
    expect(session.errors.find((line) => line.startsWith("standard input: "))).toBe(
      'standard input: send.to: a number such as +33612345678, or the chat of a person or group as `messages read` prints it; send.text: a text; allowed: {"send": {"to": "+33612345678", "text": "Hello"}}',
    );
    expect(session.last?.state).toBe("Connected");
  });

  it("serves liveness, readiness and metrics", async () => {
    const free = await serve(() => undefined);
    await free.close();
    await using session = await linkedAlone(await options({ flags: ["--port", String(free.port)] }), phone);
    const get = async (path: string) => await (await fetch(`http://127.0.0.1:${free.port}${path}`)).text();
    expect(session.last?.state).toBe("Connected");
    expect(await get("/livez")).toBe("alive\n");
    expect(await get("/readyz")).toBe("ready\n");
    const metrics = await get("/metrics");
    expect(metrics).toContain('whatsapp_session_states{state="Connected"} 1');
    expect(metrics).toContain('whatsapp_session_disconnects_total{cause="RestartRequired"} 1');
    expect(metrics).toContain("whatsapp_session_qr_codes_total 1");
  });

  it.each([
    [["--qr", "pink"], '--qr is "pink", allowed: raw or terminal'],
    [["--port", "99999"], '--port is "99999", allowed: 0 to 65535'],
    [["--pairing-code", "0612"], '--pairing-code is "0612", allowed: a number such as +33612345678'],
    [["--proxy", "ftp://me:geheim@host"], "--proxy allows socks5://"],
  ])("refuses %j in words, without a password", async (flags, words) => {
    await using session = new AloneProcess(await options({ flags }));
    expect(await session.exited()).toBe(2);
    const said = session.errors.join("\n");
    expect(said).toContain(words);
    expect(said).not.toContain("geheim");
  });
});
