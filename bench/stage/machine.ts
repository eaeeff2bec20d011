import { readFile } from "node:fs/promises";
import { availableParallelism, loadavg, release, totalmem } from "node:os";

/** In words, for the page. */
export async function describeMachine(): Promise<string> {
  const model = /^model name\s*: (.+)$/m.exec(await readFile("/proc/cpuinfo", "utf8"))?.[1] ?? "unknown processor";
  const memoryGB = Math.round(totalmem() / 1e9);
  return `${availableParallelism()} cores (${model}), ${memoryGB} GB, Linux ${release()}, Node ${process.version}`;
}

/** Load averages of 1, 5 and 15 minutes. */
export const loadNow = (): string =>
  loadavg()
    .map((load) => load.toFixed(1))
    .join(" ");
