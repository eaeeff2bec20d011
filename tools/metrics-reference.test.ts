import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, it } from "vitest";
import { metricsReference } from "./metrics-reference.ts";

const root = resolve(import.meta.dirname, "..");
const constructor = /new (?:Counter|Gauge|Histogram|Summary)\b/;

/** Wherever one is constructed: a metric that no registry of the reference holds is found too. */
const defined = globSync("{operator,session-pod}/src/**/*.ts", { cwd: root })
  .filter((file) => !file.endsWith(".test.ts"))
  .map((file) => readFileSync(join(root, file), "utf8"))
  .filter((text) => constructor.test(text))
  .flatMap((text) => [...text.matchAll(/\bname: "([a-z_]+)"/g)].map(([, name = ""]) => name));

it("gives no name to two metrics, in whatever program: their sum would count everything twice", () => {
  expect(defined.filter((name, index) => defined.indexOf(name) !== index)).toEqual([]);
});

it("documents every metric that is defined", () => {
  const documented = [...metricsReference().matchAll(/^\| `([a-z_]+)`/gm)].map(([, name = ""]) => name);
  expect(documented.length).toBeGreaterThan(30);
  expect(documented.toSorted()).toEqual(defined.toSorted());
});
