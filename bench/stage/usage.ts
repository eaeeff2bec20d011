import { readFile } from "node:fs/promises";

/** Of Linux on every platform that runs Node. */
const ticksPerSecond = 100;
const bytesPerKiB = 1_024;
const bytesPerMB = 1e6;

/** Resident memory of a process now, and the most it ever had, in MB of a million bytes. */
export async function memoryOf(pid: number): Promise<{ readonly nowMB: number; readonly peakMB: number }> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const field = (name: string): number => {
    const found = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1];
    if (found === undefined) throw new Error(`process ${pid} has no ${name}`);
    return (Number(found) * bytesPerKiB) / bytesPerMB;
  };
  return { nowMB: field("VmRSS"), peakMB: field("VmHWM") };
}

/** CPU time that a process has used since its start, in seconds, all threads together. */
export async function cpuSecondsOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  // The second field is the command in parentheses and may hold spaces; user and system time are the 14th and 15th.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}
