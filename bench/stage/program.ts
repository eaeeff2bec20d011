import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "../..");
const compiled = join(root, ".cache/bench");
const dockerfile = join(root, "manifests/cluster/images/node.Dockerfile");

/** Command of a part as its image runs it. @throws where `bench/compile.sh` has not made it. */
export function entrypoint(part: "operator" | "session-pod"): readonly string[] {
  const main = join(compiled, part, "dist/main.js");
  if (!existsSync(main)) throw new Error(`${main} is missing: run bench/compile.sh, or all of it by make bench`);
  return [process.execPath, main];
}

/** All that the images set; what a pod sets itself wins over it. */
export function imageEnvironment(): Readonly<Record<string, string>> {
  const lines = [...readFileSync(dockerfile, "utf8").matchAll(/^ENV (.+)$/gm)];
  const assignments = lines.flatMap(([, line = ""]) => line.split(/\s+/));
  return Object.fromEntries(
    assignments.map((assignment) => {
      const at = assignment.indexOf("=");
      return [assignment.slice(0, at), assignment.slice(at + 1)];
    }),
  );
}

export interface Program extends AsyncDisposable {
  readonly pid: number;
  /** By the clock of `performance.now()`. */
  readonly startedMs: number;
  /** Everything it printed, both streams. */
  readonly log: () => string;
  readonly exited: Promise<unknown>;
  /** Asks it to end, and resolves once it has. */
  end(signal?: "SIGTERM" | "SIGKILL"): Promise<void>;
}

/** A process with nothing of our environment but the PATH. */
export function start(command: readonly string[], env: Readonly<Record<string, string>> = {}): Program {
  const [file = "", ...args] = command;
  const startedMs = performance.now();
  const child = spawn(file, args, {
    env: { PATH: process.env["PATH"], ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => (text += chunk.toString("utf8")));
  const exited = once(child, "exit");
  const end = async (signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await exited;
  };
  return {
    pid: child.pid ?? 0,
    startedMs,
    log: () => text,
    exited,
    end,
    [Symbol.asyncDispose]: async () => await end("SIGKILL"),
  };
}
