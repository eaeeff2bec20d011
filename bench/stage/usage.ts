import { readFile } from "node:fs/promises";

export { memoryOf } from "../../session-pod/test/memory.ts";

/** Of Linux on every platform that runs Node. */
const ticksPerSecond = 100;

/** CPU time that a process has used since its start, in seconds, all threads together. */
export async function cpuSecondsOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  // The second field is the command in parentheses and may hold spaces; user and system time are the 14th and 15th.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}
