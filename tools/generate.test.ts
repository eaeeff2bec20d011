import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parse } from "yaml";

/** Tried on a copy, so that a planted fault never reaches the repository. */
const root = resolve(import.meta.dirname, "..");
let copy: string;

beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), "wa-generate-"));
  for (const part of ["crds", "charts/whatsapp-operator/templates/crds", "docs/reference", "tools", "package.json"])
    cpSync(join(root, part), join(copy, part), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
});
afterAll(() => {
  rmSync(copy, { recursive: true });
});

function generate(...flags: readonly string[]): { readonly status: number | null; readonly said: string } {
  const { status, stderr } = spawnSync(
    process.execPath,
    ["--conditions=source", join(copy, "tools/generate.ts"), ...flags],
    { encoding: "utf8" },
  );
  return { status, said: stderr };
}

it("finds the checked-in files as the schemas say", () => {
  expect(generate("--check")).toEqual({ status: 0, said: "" });
});

it("names a file that was edited by hand and one that nothing makes, and puts both right", () => {
  const edited = join(copy, "crds/egresspools.yaml");
  const before = readFileSync(edited, "utf8");
  writeFileSync(edited, before.replace("maximum: 500", "maximum: 5000"));
  writeFileSync(join(copy, "crds/leftover.yaml"), "a: b\n");
  const { status, said } = generate("--check");
  expect(status).toBe(1);
  expect(said.match(/^\S+/gm)).toEqual(["crds/egresspools.yaml", "crds/leftover.yaml"]);
  expect(generate().status).toBe(0);
  expect(readFileSync(edited, "utf8")).toBe(before);
  expect(generate("--check").status).toBe(0);
});

it("has the chart's copies survive an uninstall", () => {
  const crd: unknown = parse(
    readFileSync(join(root, "charts/whatsapp-operator/templates/crds/whatsappdevices.yaml"), "utf8"),
  );
  expect(crd).toMatchObject({ metadata: { annotations: { "helm.sh/resource-policy": "keep" } } });
});
