import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { childEnvironment } from "../../session-pod/test/child-environment.ts";

const program = join(import.meta.dirname, "../src/main.ts");

/** The operator as its image runs it: a process of its own, with the chart's environment. */
export class OperatorProcess implements AsyncDisposable {
  readonly #env: Readonly<Record<string, string>>;
  #child: ChildProcess;
  log = "";

  constructor(env: Readonly<Record<string, string>>) {
    this.#env = env;
    this.#child = this.#start();
  }

  /** It has ended by itself, as one that lost its Lease does. */
  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Ends it as a crash does, and starts it anew. */
  async crash(): Promise<void> {
    await this.#end();
    this.#child = this.#start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
  }

  #start(): ChildProcess {
    const flags = ["--conditions=source", "--disable-warning=ExperimentalWarning", program];
    const child = spawn(process.execPath, flags, {
      env: { ...this.#env, ...childEnvironment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => (this.log += chunk.toString("utf8")));
    return child;
  }

  async #end(): Promise<void> {
    if (this.hasEnded) return;
    this.#child.kill("SIGKILL");
    await once(this.#child, "exit");
  }
}
