import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ByHand } from "./src/by-hand.ts";
import { parseTimes, withFirstRun } from "./src/first-run.ts";

/** `node first-run.ts yes|no LOAD < first-run.tsv`: keeps the times of `tools/first-run.sh` (engine up or not) for the page. */
const [engine = "", load = ""] = process.argv.slice(2);
if (engine !== "yes" && engine !== "no") throw new Error(`ENGINE is ${JSON.stringify(engine)}; allowed: yes, no`);
const file = join(import.meta.dirname, "by-hand.json");
const rows = withFirstRun(ByHand.parse(JSON.parse(readFileSync(file, "utf8"))), {
  seconds: parseTimes(readFileSync(0, "utf8")),
  hasEngine: engine === "yes",
  load,
  day: new Date().toISOString().slice(0, 10),
});
writeFileSync(file, `${JSON.stringify(rows, undefined, 2)}\n`);
