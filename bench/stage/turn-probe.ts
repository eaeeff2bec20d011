import { appendFileSync } from "node:fs";

/**
 * Loaded into a program by `--import`: writes once a second what CPU time the busiest turn of its main thread took, in milliseconds.
 * A timer of a few milliseconds cannot fire within a turn, so what the thread used between two firings is a turn's and a little more.
 */
const file = process.env["TURNS_FILE"] ?? "";
const everyMs = 5;
let before = process.threadCpuUsage();
let longestMs = 0;

if (file !== "") {
  setInterval(() => {
    const now = process.threadCpuUsage();
    longestMs = Math.max(longestMs, (now.user + now.system - before.user - before.system) / 1_000);
    before = now;
  }, everyMs).unref();
  setInterval(() => {
    appendFileSync(file, `${Date.now()} ${longestMs.toFixed(1)}\n`);
    longestMs = 0;
  }, 1_000).unref();
}
