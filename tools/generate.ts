import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import {
  apiReference,
  causesReference,
  conditionsReference,
  customResourceDefinitions,
  reasonsReference,
  type CustomResourceDefinition,
} from "@wa/schema/generate";
import { parse, stringify } from "yaml";
import { installFiles, staleInstallFiles } from "./install-manifests.ts";
import { metricsReference } from "./metrics-reference.ts";
import { valuesReference } from "./values-reference.ts";

/**
 * Writes every file that is made from the schemas, the chart and the code. `--check` writes nothing, names the files that are not
 * as they should be and exits 1. Helm is needed only to write manifests/install anew, never to check it.
 */
const root = resolve(import.meta.dirname, "..");

interface GeneratedFile {
  /** From the repository's root. */
  readonly path: string;
  readonly text: string;
}

const origin = "# Generated from crds/schema by `make generate`; edit there.";

/** Each makes some files; a new kind of generated file is a new line here. */
const generators: readonly (() => readonly GeneratedFile[])[] = [
  () => crdFiles("crds", (crd) => crd),
  () => crdFiles("charts/whatsapp-operator/templates/crds", keptByHelm),
  () => [
    { path: "docs/reference/api.md", text: apiReference() },
    { path: "docs/reference/causes.md", text: causesReference() },
    { path: "docs/reference/conditions.md", text: conditionsReference() },
    { path: "docs/reference/reasons.md", text: reasonsReference() },
    { path: "docs/reference/metrics.md", text: metricsReference() },
    {
      path: "docs/reference/values.md",
      text: valuesReference(chartFile("values.schema.json"), chartFile("values.yaml")),
    },
  ],
];

/** JSON is YAML too. */
function chartFile(name: string) {
  return parse(readFileSync(join(root, "charts/whatsapp-operator", name), "utf8"));
}

/** Folders whose files of these names are all generated: one that no generator makes any more is a leftover. */
const ownedFiles = ["crds/*.yaml", "charts/whatsapp-operator/templates/crds/*.yaml"];

function crdFiles(
  folder: string,
  shape: (crd: CustomResourceDefinition) => CustomResourceDefinition,
): readonly GeneratedFile[] {
  return customResourceDefinitions().map((crd) => ({
    path: `${folder}/${crd.spec.names.plural}.yaml`,
    text: `${origin}\n${stringify(shape(crd), { lineWidth: 120, aliasDuplicateObjects: false })}`,
  }));
}

/** As templates, because Helm never upgrades its `crds/` folder; kept at uninstall, because deleting a CRD deletes every device. */
function keptByHelm(crd: CustomResourceDefinition): CustomResourceDefinition {
  if (JSON.stringify(crd).includes("{{")) throw new Error(`${crd.metadata.name} holds {{, which Helm would run`);
  return { ...crd, metadata: { ...crd.metadata, annotations: { "helm.sh/resource-policy": "keep" } } };
}

function current(path: string): string | undefined {
  try {
    return readFileSync(join(root, path), "utf8");
  } catch {
    return undefined;
  }
}

const files = generators.flatMap((generate) => generate());
const stale = files.filter(({ path, text }) => current(path) !== text);
const made = new Set(files.map(({ path }) => path));
const leftovers = globSync(ownedFiles, { cwd: root }).filter((path) => !made.has(path));

function check(): void {
  const wrong = [...stale.map(({ path }) => path), ...leftovers, ...staleInstallFiles(root, current)];
  for (const path of wrong) process.stderr.write(`${path} is not what its source says: run make generate\n`);
  process.exitCode = wrong.length === 0 ? 0 : 1;
}

function write(changed: readonly GeneratedFile[]): void {
  for (const { path, text } of changed) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}

/** Last, because it is made from the chart with the definitions in it. */
function writeInstallFiles(): void {
  const missing = staleInstallFiles(root, current);
  if (missing.length === 0) return;
  try {
    write(installFiles(root));
    process.stderr.write(`${missing.join(", ")} written\n`);
  } catch (error) {
    process.stderr.write(
      `${missing.join(", ")} not written: ${error instanceof Error ? error.message : String(error)}\n`,
    );
    process.exitCode = 1;
  }
}

if (process.argv.includes("--check")) check();
else {
  write(stale);
  for (const path of leftovers) rmSync(join(root, path));
  process.stderr.write(`${stale.length} of ${files.length} generated files written\n`);
  writeInstallFiles();
}
