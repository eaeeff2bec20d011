import { until } from "../src/shell.ts";

/** Progress for the person who watches: what is done now, and what it waits for. */
export function say(text: string): void {
  process.stdout.write(`${new Date().toTimeString().slice(0, 8)}  ${text}\n`);
}

export function show(text: string): void {
  process.stdout.write(`\n${text.trimEnd()}\n\n`);
}

/** As {@link until}, and says first for what it waits. */
export async function watch<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  say(`waiting for ${what}`);
  return await until(what, look);
}
