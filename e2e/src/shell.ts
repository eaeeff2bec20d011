import { spawn } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";

/** What a command printed on standard output; one that fails is an error with its own words. */
export async function sh(command: string, args: readonly string[], input?: string): Promise<string> {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] });
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString("utf8")));
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString("utf8")));
  child.stdin.end(input ?? "");
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  if (code !== 0) throw new Error(`${command} ${args.slice(0, 4).join(" ")} ended with ${code}: ${err.trim()}`);
  return out;
}

/** Looks every half second until there is something to see; the error says for what was waited. */
export async function until<T>(what: string, look: () => Promise<T | undefined>, withinMs = 180_000): Promise<T> {
  const deadlineMs = performance.now() + withinMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadlineMs) throw new Error(`${what}: not within ${withinMs / 1_000} s`);
    await delay(500);
  }
}
