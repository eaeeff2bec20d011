import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { startSimulator, type Simulator } from "@wa/simulator";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { childEnvironment } from "./child-environment.ts";
import { until } from "./until.ts";

/**
 * The commands of README as a shell starts them: npm, which starts the program. `&` makes npm a process group's first, and a
 * terminal sends its signals to the whole group.
 */
const root = resolve(import.meta.dirname, "../..");
const endings: readonly [how: string, end: (npm: number) => void][] = [
  ["npm gets SIGTERM (kill $!)", (npm) => process.kill(npm, "SIGTERM")],
  ["npm gets SIGINT", (npm) => process.kill(npm, "SIGINT")],
  ["npm gets SIGHUP", (npm) => process.kill(npm, "SIGHUP")],
  ["npm is killed", (npm) => process.kill(npm, "SIGKILL")],
  ["the terminal sends SIGINT (Ctrl-C)", (npm) => process.kill(-npm, "SIGINT")],
  ["the terminal is closed (SIGHUP)", (npm) => process.kill(-npm, "SIGHUP")],
];

/** Half a second until a parent's end is seen, and what a session needs to write; many times as long on a busy machine. */
const endsWithinMs = 15_000;

let simulator: Simulator;
let folder: string;
const started: ChildProcess[] = [];
beforeAll(async () => {
  simulator = await startSimulator({});
});
afterAll(async () => await simulator[Symbol.asyncDispose]());
afterEach(() => {
  for (const { pid } of started.splice(0)) killGroup(pid);
  rmSync(folder, { recursive: true, force: true });
});

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {
    // Nothing of it is left.
  }
}

/** Starts a script of package.json; its output is the pipe that the program holds too, and that ends with the last of them. */
function npmRun(script: string, flags: readonly string[]): { npm: number; lines: Interface; ended: Promise<unknown> } {
  folder = mkdtempSync(join(tmpdir(), "wa-npm-"));
  const child = spawn("npm", ["run", "--silent", script, "--", ...flags], {
    cwd: root,
    env: {
      ...childEnvironment,
      WA_URL: simulator.url,
      WA_ROOT_KEY: simulator.rootKeyHex,
      WA_STORE: `sqlite://${folder}/demo.sqlite`,
    },
    stdio: ["pipe", "pipe", "inherit"],
    detached: true,
  });
  started.push(child);
  if (child.pid === undefined) throw new Error("npm did not start");
  return { npm: child.pid, lines: createInterface({ input: child.stdout }), ended: once(child.stdout, "close") };
}

const within = async (ended: Promise<unknown>): Promise<void> =>
  await Promise.race([
    ended,
    delay(endsWithinMs).then(() => {
      throw new Error(`something still runs ${endsWithinMs} ms later`);
    }),
  ]).then(() => undefined);

async function refuses(url: string): Promise<true | undefined> {
  try {
    await fetch(url);
    return undefined;
  } catch {
    return true;
  }
}

describe.each(endings)("where %s", (_, end) => {
  it("npm run simulator leaves no server, and its port is free", async () => {
    const { npm, lines, ended } = npmRun("simulator", ["--port", "0"]);
    const [line] = await once(lines, "line");
    const { controlUrl } = JSON.parse(String(line));
    end(npm);
    await until("the port is free", async () => await refuses(String(controlUrl)), endsWithinMs);
    await within(ended);
  });

  it("npm run session closes its session in order", async () => {
    const { npm, lines, ended } = npmRun("session", ["--device", "demo", "--qr", "raw"]);
    const reports: string[] = [];
    lines.on("line", (line) => void reports.push(line));
    await until("a code", async () => reports.find((line) => !line.startsWith("{")));
    end(npm);
    await within(ended);
    expect(JSON.parse(reports.at(-1) ?? "{}")).toMatchObject({ state: "Released" });
  });
});
