import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parse } from "yaml";

/** Tried on a copy, so that a planted fault never reaches the repository. */
const root = resolve(import.meta.dirname, "..");
const parts = [
  "charts",
  "crds",
  "docs/reference",
  "manifests/install",
  "operator/src",
  "session-pod/src",
  "tools",
  "package.json",
];
let copy: string;

beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), "wa-generate-"));
  for (const part of parts) cpSync(join(root, part), join(copy, part), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
});
afterAll(() => {
  rmSync(copy, { recursive: true });
});

function generate(...flags: readonly string[]): { readonly status: number | null; readonly said: string } {
  const { status, stderr } = spawnSync(
    process.execPath,
    ["--conditions=source", join(copy, "tools/generate.ts"), ...flags],
    // No Helm there: a fresh machine has none.
    { encoding: "utf8", env: { ...process.env, CACHE: join(copy, "cache") } },
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

/** Changes a file for the time of a test. */
function edited(path: string, from: string, to: string, act: () => void): void {
  const before = readFileSync(join(copy, path), "utf8");
  expect(before).toContain(from);
  writeFileSync(join(copy, path), before.replace(from, to));
  act();
  writeFileSync(join(copy, path), before);
}

const firstWords = (said: string): readonly string[] => [...(said.match(/^\S+/gm) ?? [])];

it.each([
  ["manifests/install/install.yaml", "replicas: 2", "replicas: 3", ["manifests/install/install.yaml"]],
  ["manifests/install/uninstall.yaml", "backoffLimit: 3", "backoffLimit: 4", ["manifests/install/uninstall.yaml"]],
  [
    "charts/whatsapp-operator/templates/operator.yaml",
    "periodSeconds: 10",
    "periodSeconds: 11",
    ["manifests/install/install.yaml", "manifests/install/uninstall.yaml"],
  ],
])("tells without Helm that %s was edited", (path, from, to, named) => {
  edited(path, from, to, () => {
    const { status, said } = generate("--check");
    expect(status).toBe(1);
    expect(firstWords(said)).toEqual(named);
  });
});

it("says what it needs to write manifests/install, after everything else is written", () => {
  edited("charts/whatsapp-operator/values.yaml", "replicas: 2", "replicas: 3", () => {
    const { status, said } = generate();
    expect(status).toBe(1);
    expect(said).toMatch(/^1 of [0-9]+ generated files written$/m);
    expect(said).toMatch(
      /install\.yaml.* not written: .*bin\/helm is missing: manifests\/cluster\/build-binaries\.sh helm/,
    );
    expect(said).not.toContain("    at ");
  });
  expect(generate("--check").said).toContain("docs/reference/values.md");
});

it("has the chart's copies survive an uninstall", () => {
  const crd: unknown = parse(
    readFileSync(join(root, "charts/whatsapp-operator/templates/crds/whatsappdevices.yaml"), "utf8"),
  );
  expect(crd).toMatchObject({ metadata: { annotations: { "helm.sh/resource-policy": "keep" } } });
});
