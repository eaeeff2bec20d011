import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { attackedLeader } from "./measurements/attacked-leader.ts";
import { idleWrites } from "./measurements/idle-writes.ts";
import { largeFleet } from "./measurements/large-fleet.ts";
import { qr } from "./measurements/qr.ts";
import { restart } from "./measurements/restart.ts";
import { sessionPod } from "./measurements/session-pod.ts";
import { store } from "./measurements/store.ts";
import { ByHand, resultOf } from "./src/by-hand.ts";
import { renderPage } from "./src/page.ts";
import { Result, verdictOf } from "./src/result.ts";
import { describeMachine } from "./stage/machine.ts";
import type { Measurement } from "./stage/measurement.ts";
import { clusterName } from "./stage/place.ts";
import { say } from "./stage/say.ts";

/**
 * `node main.ts [NAME]`: runs all measurements one after the other, or one, keeps each one's result in `results/`, and writes
 * docs/benchmarks.md anew from all results that are there. `node main.ts page` writes the page alone.
 */
/** In their order on the page. */
const measurements: Readonly<Record<string, Measurement>> = {
  qr,
  restart,
  "session-pod": sessionPod,
  store,
  "idle-writes": idleWrites,
  "large-fleet": largeFleet,
  "attacked-leader": attackedLeader,
};

const results = join(import.meta.dirname, "results");
const page = join(import.meta.dirname, "../docs/benchmarks.md");

/** Of a cluster, the results stand beside those of processes. */
const suffix = clusterName === "" ? "" : "-on-cluster";

async function run(name: string): Promise<void> {
  const measurement = measurements[name];
  if (measurement === undefined)
    throw new Error(`no measurement ${name}; there are ${Object.keys(measurements).join(", ")}`);
  say(`measuring ${name}`);
  const { title, how, measure } = measurement;
  const measured = await measure();
  const rows = suffix === "" ? measured : measured.map((row) => ({ ...row, what: `${row.what}, on a cluster` }));
  for (const row of rows)
    say(
      `  ${row.what}: p50 ${row.measured.p50.toFixed(2)}, p95 ${row.measured.p95.toFixed(2)} ${row.unit} ${verdictOf(row)}`,
    );
  const place = Object.keys(measurements).indexOf(name);
  const at = `${new Date().toISOString().slice(0, 19)}Z`;
  const where = suffix === "" ? title : `${title}, on a cluster of kind`;
  const result: Result = { name, title: where, how, at, machine: await describeMachine(), place, rows: [...rows] };
  await writeFile(join(results, `${name}${suffix}.json`), `${JSON.stringify(result, undefined, 2)}\n`);
}

async function writePage(): Promise<void> {
  const files = (await readdir(results)).filter((file) => file.endsWith(".json"));
  const all = await Promise.all(
    files.map(async (file) => Result.parse(JSON.parse(await readFile(join(results, file), "utf8")))),
  );
  const byHand = ByHand.parse(JSON.parse(await readFile(join(import.meta.dirname, "by-hand.json"), "utf8")));
  await writeFile(page, renderPage([...all, resultOf(byHand, await describeMachine())]));
  say("docs/benchmarks.md written");
}

const only = process.argv[2] ?? "";
const wanted = only === "" ? Object.keys(measurements) : [only];
if (only !== "page") for (const name of wanted) await run(name);
await writePage();
