import { readFile } from "node:fs/promises";

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
