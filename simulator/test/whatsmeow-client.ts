import { execFile, spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { z } from "zod";
import { until } from "./baileys-client.ts";

const source = resolve(import.meta.dirname, "whatsmeow");
const binary = resolve(import.meta.dirname, "../../.cache/whatsmeow-client/client");
/** The first time it compiles all that the client uses. */
export const buildWithinMs = 900_000;

/** Before it is connected for the first time it makes and stores 812 key pairs: seconds, and more on a busy machine. */
const heardWithinMs = 60_000;

/** Builds the Go client; the compiler's own cache makes the second time short. */
export async function buildClient(): Promise<void> {
  await promisify(execFile)("go", ["build", "-o", binary, "."], { cwd: source, timeout: buildWithinMs });
}

/** One line of the client's output. */
const Said = z.looseObject({ event: z.string() });
export type Said = z.infer<typeof Said>;

/** A folder that keeps the client's credentials over several runs. */
export async function newFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), "whatsmeow-"));
  return { path, [Symbol.asyncDispose]: async () => await rm(path, { recursive: true }) };
}

/** One run of the Go client; its standard input takes commands, its output says what happens. */
export class WhatsmeowClient implements AsyncDisposable {
  readonly said: Said[] = [];
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #exited: Promise<void>;

  constructor(target: { readonly controlUrl: string; readonly rootKeyHex: string }, folder: string) {
    const flags = ["-url", target.controlUrl, "-root", target.rootKeyHex, "-db", join(folder, "store.sqlite")];
    this.#child = spawn(binary, flags, { stdio: "pipe" });
    // It may have ended by itself before it is told to quit.
    this.#child.stdin.on("error", () => undefined);
    this.#child.stderr.pipe(process.stderr);
    this.#exited = new Promise((resolve) => this.#child.once("exit", () => resolve()));
    createInterface(this.#child.stdout).on("line", (line) => this.said.push(Said.parse(JSON.parse(line))));
  }

  do(command: string): void {
    this.#child.stdin.write(`${command}\n`);
  }

  /** The newest event of that name, waited for; `isIt` narrows it. */
  async heard(event: string, isIt: (said: Said) => boolean = () => true): Promise<Said> {
    const find = () => this.said.findLast((said) => said.event === event && isIt(said));
    await until(`${event} from whatsmeow`, () => find() !== undefined, heardWithinMs).catch((error: unknown) => {
      throw new Error(`it said ${JSON.stringify(this.said.map((said) => said.event))}`, { cause: error });
    });
    return find() ?? { event };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.do("quit");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 5_000);
    await this.#exited;
    clearTimeout(timer);
  }
}
