import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { deviceReasons, endpointReasons, poolReasons } from "@wa/schema";
import { expect, it } from "vitest";

/** That no word lacks a row is the types' work; that no row is left over is this test's. */
const root = resolve(import.meta.dirname, "..");
const code = globSync("{operator,session-pod}/src/**/*.ts", { cwd: root })
  .filter((file) => !file.endsWith(".test.ts"))
  .map((file) => readFileSync(join(root, file), "utf8"))
  .join("\n");

it("every reason of the reference is said by some code", () => {
  const reasons = [deviceReasons, poolReasons, endpointReasons].flatMap((facts) => Object.keys(facts));
  expect(reasons.length).toBeGreaterThan(50);
  expect(reasons.filter((reason) => !code.includes(`"${reason}"`))).toEqual([]);
});
