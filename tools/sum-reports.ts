import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Prints "passed failed" over all JSON reports in a folder; a test file that could not be loaded counts as one failure. */
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
  passed += report.numPassedTests;
  failed += report.numFailedTests;
  failed += report.testResults.filter(
    (suite) => suite.status === "failed" && suite.assertionResults.length === 0,
  ).length;
}
process.stdout.write(`${passed} ${failed}\n`);
