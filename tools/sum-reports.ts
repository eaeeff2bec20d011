import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Prints "passed failed" over all JSON reports in a folder. A test file that could not be loaded counts as one failure, and so does
 * a level that ran no test, or whose run failed (NAME.exit beside NAME.json) though none of its tests did.
 */
interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly unknown[] }[];
}

let passed = 0;
let failed = 0;
const folder = process.argv[2] ?? ".";
for (const file of globSync("*.json", { cwd: folder })) {
  const report: Report = JSON.parse(readFileSync(join(folder, file), "utf8"));
  const unloaded = report.testResults.filter(
    (suite) => suite.status === "failed" && suite.assertionResults.length === 0,
  ).length;
  const seen = report.numFailedTests + unloaded;
  const isWhole =
    report.numPassedTests > 0 && readFileSync(join(folder, file.replace(/json$/, "exit")), "utf8").trim() === "0";
  passed += report.numPassedTests;
  failed += seen === 0 && !isWhole ? 1 : seen;
}
process.stdout.write(`${passed} ${failed}\n`);
