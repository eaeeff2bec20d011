import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import {
  apiReference,
  causesReference,
  conditionsReference,
  customResourceDefinitions,
  type CustomResourceDefinition,
} from "@wa/schema/generate";
import { stringify } from "yaml";

/**
 * Writes every file that is made from the schemas. `--check` writes nothing, names the files that are not as they should be
 * and exits 1.
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
  ],
];

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

if (process.argv.includes("--check")) {
  for (const path of [...stale.map((file) => file.path), ...leftovers])
    process.stderr.write(`${path} is not what its schema says: run make generate\n`);
  process.exitCode = stale.length + leftovers.length === 0 ? 0 : 1;
} else {
  for (const { path, text } of stale) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  for (const path of leftovers) rmSync(join(root, path));
  process.stderr.write(`${stale.length} of ${files.length} generated files written\n`);
}
