import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import {
  alone,
  currentDataKey,
  deriveCanaryKey,
  storeKey,
  type Assignment,
  type Cause,
  type SessionReport,
} from "@wa/schema";
import qrcode from "qrcode";
import { aloneUsage, ConfigError, parseAloneConfig, type AloneConfig } from "./config/alone-config.ts";
import { masterKeyIn } from "./config/master-key-file.ts";
import { parseSendLine } from "./config/send-line.ts";
import { createDialer } from "./egress/create-dialer.ts";
import { serveObservation } from "./observe/http.ts";
import { LateStore } from "./link/late-store.ts";
import { createLog } from "./observe/log.ts";
import { PodMetrics } from "./observe/metrics.ts";
import { attributeFaults } from "./sessions/faults.ts";
import type { DeviceKey, Dialer } from "./sessions/ports.ts";
import { Sessions } from "./sessions/sessions.ts";
import { createDatabase } from "./store/database.ts";
import { enqueueText } from "./store/enqueue.ts";
import { openStore } from "./store/open-store.ts";
import type { OnSetAside } from "./store/set-aside.ts";
import type { OnTrouble } from "./store/trouble.ts";
import { createSealer } from "./store/seal.ts";
import { whatsAppLibrary } from "./whatsapp/library.ts";

const faultExitCode = 70;
const stopWithinMs = 25_000;
const grantValidMs = 60_000;
const unclaimedStates = new Set<SessionReport["state"]>(["Claiming", "StoreUnavailable", "StoreRefused"]);
/** WhatsApp closed this connection for another one of the same device. */
const takenOver: Cause = "Replaced";
/** The session is done, or another process has taken the device over. */
const endStates = new Set<SessionReport["state"]>(["LogoutDone", "Released", "ClaimRefused"]);

interface Identity {
  readonly key: DeviceKey;
  readonly assignment: Pick<Assignment, "device" | "dataKeys">;
  readonly canaryKeyBase64: string;
}

/** Opened by the claim, and again as long as the database is away. */
function storeOf(
  { storeUrl }: AloneConfig,
  { canaryKeyBase64 }: ReturnType<typeof identityOf>,
  told: { readonly onTrouble: OnTrouble; readonly onSetAside: OnSetAside },
): LateStore {
  const { installation } = alone;
  return new LateStore({
    url: storeUrl,
    open: async (url) => await openStore({ url, canaryKeyBase64, installation, ...told }),
    onProblem: () => undefined,
  });
}

async function run(config: AloneConfig): Promise<void> {
  const log = createLog(config.logLevel);
  const identity = identityOf(config);
  const metrics = new PodMetrics(() => countByState(sessions.reports()));
  const onTrouble: OnTrouble = (trouble) => {
    metrics.storeTrouble.inc({ operation: trouble.operation });
    log.warn(trouble, "store trouble");
  };
  const onSetAside: OnSetAside = (aside) => {
    metrics.setAside.inc({ reason: aside.reason });
    log.warn(aside, "message set aside");
  };
  await using store = storeOf(config, identity, { onTrouble, onSetAside });
  const dialer = dialerFor(config);
  const library = whatsAppLibrary(config.rootKeyHex);
  const sessions = new Sessions({
    store,
    dialer,
    library,
    metrics,
    log,
    url: config.url,
    isProxied: config.egress.kind === "proxy",
    owner: randomUUID(),
    keyOf: () => identity.key,
    needsLink: false,
  });
  attributeFaults((error) => {
    log.fatal({ fault: error instanceof Error ? error.message : "unknown" }, "unattributed fault");
    process.exit(faultExitCode);
  });
  await using _served = await serve(config, sessions, metrics);
  const outbox = createDatabase(config.storeUrl);
  readSendLines(async (message) => {
    const sealer = createSealer(identity.key, identity.assignment.dataKeys);
    const messageId = await enqueueText(outbox, { device: identity.key, sealer }, message);
    log.info({ messageId }, "message enqueued");
  });
  const stop = async (): Promise<void> => {
    setTimeout(() => process.exit(faultExitCode), stopWithinMs).unref();
    await sessions.stop();
  };
  // A terminal's signal comes from npm once more; the second must not cut short what the first began.
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => void stop());
  const clientVersion = config.clientVersion === "" ? library.defaultVersion : config.clientVersion;
  await untilEnd({ ...config, clientVersion }, identity, sessions);
  await stop();
  await dialer.close();
  await outbox.db.destroy();
  metrics.close();
}

/** Runs the session until nothing more can happen to it. */
async function untilEnd(config: AloneConfig, identity: Identity, sessions: Sessions): Promise<void> {
  const ended = Promise.withResolvers<void>();
  const tell = teller(config.qr);
  let epoch = 1;
  let hasClaimed = false;
  const assign = (): void => sessions.setAssignments([assignmentOf(config, { ...identity.assignment, epoch })]);
  sessions.onReport((report) => {
    if (report.state === "ClaimRefused" && !hasClaimed) {
      // The first claim goes above whatever ran before; a later refusal means that somebody took over.
      epoch = (report.storedEpoch ?? epoch) + 1;
      queueMicrotask(assign);
      return;
    }
    // Another key or a newer schema does not mend itself.
    if (report.state === "StoreRefused" && !hasClaimed) return ended.reject(new Error(report.message));
    hasClaimed ||= !unclaimedStates.has(report.state);
    tell(report);
    if (endStates.has(report.state) || report.reason === takenOver) ended.resolve();
  });
  // Nobody else starts sessions here, so every start is granted at once.
  sessions.onGrantQueue((queue) => {
    for (const { device, bucket } of queue)
      sessions.grant({ device, bucket, nonce: "", startInMs: 0, validForMs: grantValidMs });
  });
  assign();
  await ended.promise;
}

function identityOf(config: AloneConfig): Identity {
  const masterKey = masterKeyIn(config.keyFile);
  const key = storeKey(alone.installation, alone.namespace, config.device);
  return {
    key,
    assignment: {
      device: { namespace: alone.namespace, name: config.device, uid: config.device },
      dataKeys: [currentDataKey(masterKey, key)],
    },
    canaryKeyBase64: deriveCanaryKey(masterKey),
  };
}

const dialerFor = ({ egress, proxyCredentials, caFile }: AloneConfig): Dialer =>
  createDialer({
    egress,
    readCredentials: async () => proxyCredentials,
    ...(caFile !== undefined && { caPem: readFileSync(caFile, "utf8") }),
  });

async function serve(
  { port }: AloneConfig,
  sessions: Sessions,
  metrics: PodMetrics,
): Promise<AsyncDisposable | undefined> {
  if (port === undefined) return undefined;
  return await serveObservation({ host: "127.0.0.1", port, metrics, notReady: () => notReady(sessions) });
}

function assignmentOf(
  config: AloneConfig,
  { device, epoch, dataKeys }: Pick<Assignment, "device" | "epoch" | "dataKeys">,
): Assignment {
  const method = config.pairingNumber === "" ? "QRCode" : "PairingCode";
  return {
    device,
    epoch,
    dataKeys,
    desired: config.isLogout ? "LoggedOut" : "Running",
    pairRequestedAt: "",
    spec: {
      pairing: { method, phoneNumber: config.pairingNumber, windowMs: 160_000 },
      browser: { os: "Mac OS", name: "Chrome", version: "14.4.1" },
      clientVersion: config.clientVersion,
      connectTimeoutMs: 20_000,
      keepAliveIntervalMs: 30_000,
      queryTimeoutMs: 60_000,
      baseDelayMs: 2_000,
      maxDelayMs: 300_000,
      unpairedAttempts: 3,
    },
  };
}

/** States as JSON lines on standard output; QR codes as asked for, each once. */
function teller(qr: AloneConfig["qr"]): (report: SessionReport) => void {
  let shown = "";
  return (report) => {
    process.stdout.write(`${JSON.stringify(report)}\n`);
    const code = report.qr?.code ?? "";
    if (code !== "" && code !== shown) showQr(qr, code);
    shown = code;
  };
}

function showQr(how: AloneConfig["qr"], code: string): void {
  if (how === "raw") process.stdout.write(`${code}\n`);
  else
    void qrcode
      .toString(code, { type: "terminal", small: true })
      .then((drawing) => process.stderr.write(`${drawing}\nScan it with the phone: Settings, Linked devices.\n`));
}

function readSendLines(enqueue: (message: { to: string; text: string }) => Promise<void>): void {
  const lines = createInterface({ input: process.stdin });
  lines.on("line", (line) => {
    if (line.trim() === "") return;
    new Promise<void>((resolve) => resolve(enqueue(parseSendLine(line)))).catch((error: unknown) => {
      process.stderr.write(`standard input: ${error instanceof Error ? error.message : "not enqueued"}\n`);
    });
  });
  process.once("beforeExit", () => lines.close());
}

function countByState(reports: readonly SessionReport[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { state } of reports) counts[state] = (counts[state] ?? 0) + 1;
  return counts;
}

function notReady(sessions: Sessions): string | undefined {
  const waiting = sessions.reports().find(({ state }) => state === "StoreUnavailable" || state === "StoreRefused");
  return waiting?.state;
}

try {
  const config = parseAloneConfig(process.argv.slice(2), process.env);
  if (config === undefined) process.stdout.write(aloneUsage);
  else {
    await run(config);
    process.exit(0);
  }
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : "failed"}\n`);
  if (error instanceof ConfigError) process.stderr.write(`\n${aloneUsage}`);
  process.exit(error instanceof ConfigError ? 2 : 1);
}
