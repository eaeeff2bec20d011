import { randomUUID } from "node:crypto";
import {
  currentDataKey,
  type Assignment,
  type Bucket,
  type EgressContract,
  type Grant,
  type SessionReport,
  type SessionSpec,
} from "@wa/schema";
import type { Simulator } from "@wa/simulator";
import { pino } from "pino";
import { createDialer } from "../src/egress/create-dialer.ts";
import { PodMetrics } from "../src/observe/metrics.ts";
import type { OutboxLimits } from "../src/session/outbox-step.ts";
import type { Dialer, Store } from "../src/sessions/ports.ts";
import { Sessions } from "../src/sessions/sessions.ts";
import { createDatabase } from "../src/store/database.ts";
import type { Database } from "../src/store/schema.ts";
import { enqueueText } from "../src/store/enqueue.ts";
import { createSealer } from "../src/store/seal.ts";
import type { OnSetAside } from "../src/store/set-aside.ts";
import { whatsAppLibrary } from "../src/whatsapp/library.ts";
import { deviceKey, masterKey, open } from "./store-fixture.ts";
import { until } from "./until.ts";

export interface BenchOptions {
  readonly simulator: Simulator;
  readonly storeUrl: string;
  readonly egress?: EgressContract;
  readonly credentials?: { readonly username: string; readonly password: string };
  readonly needsLink?: boolean;
  /** Grants whatever is asked for, at once. */
  readonly isGranting?: boolean;
  /** Held up until this resolves, an outbox that was read is handed over late. */
  readonly afterOutboxRead?: () => Promise<void>;
  readonly outboxLimits?: OutboxLimits;
}

/** Short waits, so that a test sees in a second what takes minutes in earnest. */
const spec: Omit<SessionSpec, "clientVersion"> = {
  pairing: { method: "QRCode", phoneNumber: "", windowMs: 100_000 },
  browser: { os: "Mac OS", name: "Chrome", version: "14.4.1" },
  connectTimeoutMs: 700,
  keepAliveIntervalMs: 1_000,
  queryTimeoutMs: 2_000,
  baseDelayMs: 200,
  maxDelayMs: 5_000,
  unpairedAttempts: 2,
};

/** The sessions of one process with a real store, dialer and client library, and a memory of all they said. */
export class SessionsBench implements AsyncDisposable {
  readonly sessions: Sessions;
  readonly said: SessionReport[] = [];
  readonly asked: Bucket[] = [];
  /** Lines of the log, as JSON. */
  readonly logged: string[] = [];
  readonly metrics: PodMetrics;
  readonly #options: BenchOptions;
  readonly #store: Store;
  readonly #dialer: Dialer;
  readonly #autoVersion: string;
  readonly #assignments = new Map<string, Assignment>();

  static async open(options: BenchOptions): Promise<SessionsBench> {
    const metrics = new PodMetrics(() => ({}));
    const onSetAside: OnSetAside = ({ reason }) => metrics.setAside.inc({ reason });
    const store = await open(options.storeUrl, { onSetAside });
    const read = store.pendingOutbox.bind(store);
    store.pendingOutbox = async (devices) => {
      const pending = await read(devices);
      await options.afterOutboxRead?.();
      return pending;
    };
    return new SessionsBench(options, store, metrics);
  }

  private constructor(options: BenchOptions, store: Store, metrics: PodMetrics) {
    this.metrics = metrics;
    this.#options = options;
    this.#store = store;
    const egress = options.egress ?? { kind: "direct" };
    this.#dialer = createDialer({
      egress,
      readCredentials: async () => options.credentials,
      timeouts: { proxy: 400 },
    });
    const library = whatsAppLibrary(options.simulator.rootKeyHex);
    this.#autoVersion = library.defaultVersion;
    this.sessions = new Sessions({
      store,
      dialer: this.#dialer,
      library,
      metrics: this.metrics,
      log: pino({ level: "info" }, { write: (line: string) => void this.logged.push(line) }),
      outboxLimits: options.outboxLimits,
      url: options.simulator.url,
      isProxied: egress.kind === "proxy",
      owner: randomUUID(),
      keyOf: ({ name }) => deviceKey(name),
      needsLink: options.needsLink ?? false,
    });
    this.sessions.onReport((report) => this.said.push(report));
    this.sessions.onGrantQueue((queue) => {
      this.asked.push(...queue.map(({ bucket }) => bucket));
      if (options.isGranting !== false) for (const { device } of queue) this.grant(device.name);
    });
  }

  /** Assigns the device beside those that are assigned already. */
  assign(
    name: string,
    epoch: number,
    changes: Partial<Omit<Assignment, "spec">> & { spec?: Partial<SessionSpec> } = {},
  ) {
    const device = { namespace: "shop", name, uid: `u-${name}` };
    const dataKeys = [currentDataKey(masterKey, deviceKey(name))];
    this.#assignments.set(name, {
      device,
      epoch,
      dataKeys,
      desired: "Running",
      pairRequestedAt: "",
      ...changes,
      spec: { ...spec, clientVersion: this.#autoVersion, ...changes.spec },
    });
    this.sessions.setAssignments([...this.#assignments.values()]);
  }

  async release(name: string): Promise<void> {
    this.#assignments.delete(name);
    this.sessions.setAssignments([...this.#assignments.values()]);
    await until("Released", () => this.last(name)?.state === "Released");
  }

  grant(name: string, changes: Partial<Grant> = {}): void {
    const bucket = this.sessions.grantQueue().find(({ device }) => device.name === name)?.bucket;
    const device = { namespace: "shop", name, uid: `u-${name}` };
    if (bucket !== undefined)
      this.sessions.grant({ device, bucket, nonce: "", startInMs: 0, validForMs: 5_000, ...changes });
  }

  last(name: string): SessionReport | undefined {
    return this.said.findLast(({ device }) => device.name === name);
  }

  async reported(
    name: string,
    what: string,
    holds: (report: SessionReport) => boolean,
    withinMs?: number,
  ): Promise<SessionReport> {
    const found = (): SessionReport | undefined => {
      const report = this.last(name);
      return report !== undefined && holds(report) ? report : undefined;
    };
    return await until(what, found, withinMs).catch((error: unknown) => {
      throw new Error(`${String(error)}; last ${JSON.stringify(this.last(name))}`, { cause: error });
    });
  }

  async state(name: string, state: SessionReport["state"], withinMs?: number): Promise<SessionReport> {
    return await this.reported(name, state, (report) => report.state === state, withinMs);
  }

  /** Assigns a new device, scans its first code, and waits until it is connected. */
  async link(name: string, phone: string, patience: Partial<SessionSpec> = {}): Promise<void> {
    this.assign(name, 1, { spec: patience });
    const { qr } = await this.reported(name, "a QR code", (report) => report.qr !== undefined);
    await this.#options.simulator.client.scan(phone, qr?.code ?? "");
    await this.state(name, "Connected");
  }

  /** @param to a number, or an address. Resolves to the message's id. */
  async send(name: string, to: string, text: string): Promise<string> {
    const device = deviceKey(name);
    const sealer = createSealer(device, [currentDataKey(masterKey, device)]);
    const message = { to: to.includes("@") ? to : `${to}@s.whatsapp.net`, text };
    return await this.inDatabase(async (database) => await enqueueText(database, { device, sealer }, message));
  }

  /** The outbox rows of a device, oldest first. */
  async outbox(name: string) {
    return await this.inDatabase(
      async ({ db }) =>
        await db.selectFrom("wa_outbox").selectAll().where("device", "=", deviceKey(name)).orderBy("seq").execute(),
    );
  }

  async inDatabase<T>(work: (database: Database) => Promise<T>): Promise<T> {
    const database = createDatabase(this.#options.storeUrl);
    try {
      return await work(database);
    } finally {
      await database.db.destroy();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sessions.stop();
    this.metrics.close();
    await this.#dialer.close();
    await this.#store[Symbol.asyncDispose]();
  }
}
