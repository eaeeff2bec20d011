import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, globSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { customResourceDefinitions } from "@wa/schema/generate";
import { isMap, parseAllDocuments, stringify, type Document } from "yaml";

/**
 * manifests/install: the chart with its defaults, for who has no Helm. Their first lines name the hash of the chart's files and of
 * the text below, so that a machine without Helm can tell too that they are as they should be.
 */
const chartFolder = "charts/whatsapp-operator";
const release = "whatsapp-operator";
const namespace = "whatsapp-operator-system";

interface InstallFile {
  /** From the repository's root. */
  readonly path: string;
  readonly text: string;
}

interface Part {
  readonly path: string;
  readonly comment: readonly string[];
  readonly make: (rendered: readonly Document[]) => readonly string[];
}

const parts: readonly Part[] = [
  {
    path: "manifests/install/install.yaml",
    comment: [
      `Installs into the namespace ${namespace}, which has to be there:`,
      `  kubectl create namespace ${namespace}`,
      "  kubectl apply --server-side -f install.yaml",
      "Never delete by this file: with the definitions all devices would go. docs/install.md says how to uninstall.",
    ],
    make: (rendered) => [...definitions(), ...rendered.filter((document) => !isHook(document)).map(textOf)],
  },
  {
    path: "manifests/install/uninstall.yaml",
    comment: [
      "Removes what the operator has made, once it is gone itself: finalizers, session pods, endpoints. docs/install.md says when.",
    ],
    make: (rendered) => rendered.filter(isHook).map(textOf),
  },
];

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** Of the files that decide what Helm renders. */
function chartHash(root: string): string {
  const files = globSync(["Chart.yaml", "values.yaml", "templates/**/*.{yaml,tpl}"], { cwd: join(root, chartFolder) });
  return sha256(
    files
      .toSorted()
      .map((file) => `${file}\n${readFileSync(join(root, chartFolder, file), "utf8")}`)
      .join("\0"),
  );
}

/** Which of the files are not what the chart says now, told by their hashes alone. */
export function staleInstallFiles(root: string, read: (path: string) => string | undefined): readonly string[] {
  const hash = chartHash(root);
  return parts.map(({ path }) => path).filter((path) => !isSound(read(path) ?? "", hash));
}

function isSound(text: string, hash: string): boolean {
  const [first = "", second = "", third = "", ...rest] = text.split("\n");
  return first === origin && second === `# chart: ${hash}` && third === `# below: ${sha256(rest.join("\n"))}`;
}

const origin = "# Generated from the chart by `make generate`; edit there.";

/** @throws where Helm is missing, with what to do */
export function installFiles(root: string): readonly InstallFile[] {
  // As kubectl reads it: 0440 is octal in YAML 1.1 alone.
  const rendered = parseAllDocuments(helmTemplate(root), { version: "1.1" }).filter((document) =>
    isMap(document.contents),
  );
  const hash = chartHash(root);
  return parts.map(({ path, comment, make }) => {
    const own = rendered.filter((document) => document.get("kind") !== "CustomResourceDefinition");
    const below = [...comment.map((line) => `# ${line}`), make(own).join("---\n")].join("\n");
    return { path, text: [origin, `# chart: ${hash}`, `# below: ${sha256(below)}`, below].join("\n") };
  });
}

function helmTemplate(root: string): string {
  const cached = join(process.env["CACHE"] ?? join(homedir(), ".cache", "wa-cluster"), "bin", "helm");
  if (!existsSync(cached))
    throw new Error(
      `manifests/install is made with Helm, and ${cached} is missing: manifests/cluster/build-binaries.sh helm builds it (needs Go)`,
    );
  return execFileSync(cached, ["template", release, join(root, chartFolder), "--namespace", namespace], {
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
}

/** Without Helm's mark to keep them: kubectl knows none. */
const definitions = (): readonly string[] =>
  customResourceDefinitions().map((crd) => stringify(crd, { lineWidth: 120, aliasDuplicateObjects: false }));

const isHook = (document: Document): boolean => document.hasIn(["metadata", "annotations", "helm.sh/hook"]);

/** Nothing that names Helm stays: it would take the objects for its own. */
function textOf(document: Document): string {
  document.deleteIn(["metadata", "labels", "helm.sh/chart"]);
  document.deleteIn(["metadata", "labels", "app.kubernetes.io/managed-by"]);
  if (isHook(document)) document.deleteIn(["metadata", "annotations"]);
  document.commentBefore = null;
  if (document.contents !== null) document.contents.commentBefore = null;
  return document.toString({ lineWidth: 120, directives: false });
}
