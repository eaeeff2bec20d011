import { spawn } from "node:child_process";

/** What a command printed on standard output; a command that fails ends the demo with its own words. */
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

/** Progress for the person who watches: what is done now, and what it waits for. */
export function say(text: string): void {
  process.stdout.write(`${new Date().toTimeString().slice(0, 8)}  ${text}\n`);
}

export function show(text: string): void {
  process.stdout.write(`\n${text.trimEnd()}\n\n`);
}

export async function until<T>(what: string, look: () => Promise<T | undefined>, withinMs = 180_000): Promise<T> {
  const deadlineMs = performance.now() + withinMs;
  say(`waiting for ${what}`);
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadlineMs) throw new Error(`${what}: not within ${withinMs / 1_000} s`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}
