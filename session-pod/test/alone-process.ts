import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { SessionReport } from "@wa/schema";
import type { Simulator } from "@wa/simulator";
import { childEnvironment } from "./child-environment.ts";
import { until } from "./until.ts";

const entry = resolve(import.meta.dirname, "../src/alone.ts");

/** Processes that start at the same time wait for each other. */
const startMs = 60_000;

export interface AloneOptions {
  readonly simulator: Simulator;
  /** Where the store and its key are. */
  readonly folder: string;
  readonly flags?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Files that the process loads before the program. */
  readonly imports?: readonly string[];
}

/** `npm run session` as a user starts it: a process of its own, judged by what it prints. */
export class AloneProcess implements AsyncDisposable {
  readonly reports: SessionReport[] = [];
  readonly qrs: string[] = [];
  readonly errors: string[] = [];
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #exit: Promise<unknown>;

  constructor({ simulator, folder, flags = [], environment = {}, imports = [] }: AloneOptions) {
    const before = imports.flatMap((file) => ["--import", file]);
    const args = ["--conditions=source", "--disable-warning=ExperimentalWarning", ...before, entry];
    const env = { WA_URL: simulator.url, WA_ROOT_KEY: simulator.rootKeyHex };
    this.#child = spawn(process.execPath, [...args, "--device", "demo", "--qr", "raw", ...flags], {
      cwd: folder,
      env: { ...childEnvironment, ...env, ...environment },
      stdio: "pipe",
    });
    this.#exit = once(this.#child, "exit");
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      if (line.startsWith("{")) this.reports.push(SessionReport.parse(JSON.parse(line)));
      else this.qrs.push(line);
    });
    createInterface({ input: this.#child.stderr }).on("line", (line) => this.errors.push(line));
  }

  get last(): SessionReport | undefined {
    return this.reports.at(-1);
  }

  write(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  send(to: string, text: string): void {
    this.write(JSON.stringify({ send: { to, text } }));
  }

  /** Waits until a report holds; fails with the last one. */
  async until(what: string, holds: (report: SessionReport) => boolean, withinMs?: number): Promise<SessionReport> {
    const found = (): SessionReport | undefined =>
      this.last !== undefined && holds(this.last) ? this.last : undefined;
    return await until(what, found, withinMs).catch((error: unknown) => {
      const log = this.errors.slice(-3).join(" ");
      throw new Error(`${String(error)}; last report ${JSON.stringify(this.last)}; log ${log}`, { cause: error });
    });
  }

  async connected(): Promise<SessionReport> {
    return await this.until("Connected", ({ state }) => state === "Connected", startMs);
  }

  async qr(): Promise<string> {
    return await until("a QR code", () => this.qrs[0], startMs);
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** The exit code; null after a kill. */
  async exited(): Promise<number | null> {
    await this.#exit;
    return this.#child.exitCode;
  }

  /** The signal that ended it; null where it ended by itself. */
  async endedBy(): Promise<NodeJS.Signals | null> {
    await this.#exit;
    return this.#child.signalCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#exit;
  }
}

/** A linked and connected device of the account in this folder. */
export async function linkedAlone(options: AloneOptions, phone: string): Promise<AloneProcess> {
  const alone = new AloneProcess(options);
  return await endedUnless(alone, async () => {
    await options.simulator.client.scan(phone, await alone.qr());
    await alone.connected();
  });
}

/** The process, ready; ended where it does not become so. */
export async function endedUnless(alone: AloneProcess, isReady: () => Promise<void>): Promise<AloneProcess> {
  try {
    await isReady();
    return alone;
  } catch (error) {
    await alone[Symbol.asyncDispose]();
    throw error;
  }
}

/** Where the SQLite store of a folder is. */
export const storeIn = (folder: string): string => join(folder, "demo.sqlite");
