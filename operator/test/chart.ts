import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { z } from "zod";
import { readConfig, type Config } from "../src/config/config.ts";

/** The chart as Helm renders it. */
export const chart = join(import.meta.dirname, "../../charts/whatsapp-operator");
const program = join(process.env["CACHE"] ?? join(homedir(), ".cache", "wa-cluster"), "bin", "helm");
if (!existsSync(program)) throw new Error(`${program} is missing: run manifests/cluster/build-binaries.sh helm`);

/** What Helm prints. Throws with its words when it refuses. */
export const helm = (...args: readonly string[]): string =>
  execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

export const renderWith = (...flags: readonly string[]): string =>
  helm("template", "wa", chart, "-n", "wa-system", ...flags);

/** With values such as `replicas=1`. */
export const render = (...settings: readonly string[]): string =>
  renderWith(...settings.flatMap((setting) => ["--set", setting]));

const Rule = z.object({
  apiGroups: z.array(z.string()).default([]),
  resources: z.array(z.string()).default([]),
  verbs: z.array(z.string()),
});
const Manifest = z.looseObject({
  kind: z.string(),
  metadata: z.looseObject({ name: z.string(), annotations: z.record(z.string(), z.string()).default({}) }),
  rules: z.array(Rule).default([]),
});
type Manifest = z.infer<typeof Manifest>;

export const manifestsOf = (text: string): readonly Manifest[] =>
  parseAllDocuments(text).map((found) => Manifest.parse(found.toJS()));

export function one(text: string, kind: string, name: string): Manifest {
  const found = manifestsOf(text).find((manifest) => manifest.kind === kind && manifest.metadata.name === name);
  if (found === undefined) throw new Error(`no ${kind} ${name} in the chart`);
  return found;
}

const PodTemplate = z.object({
  metadata: z.object({ labels: z.record(z.string(), z.string()) }),
  spec: z.object({
    containers: z.array(
      z.object({
        image: z.string(),
        env: z.array(z.object({ name: z.string(), value: z.string().optional() })).default([]),
        volumeMounts: z.array(z.object({ name: z.string(), mountPath: z.string() })).default([]),
      }),
    ),
    volumes: z.array(z.object({ name: z.string(), configMap: z.object({ name: z.string() }).optional() })).default([]),
  }),
});
const Workload = z.object({ spec: z.object({ template: PodTemplate }) });

export function templateOf(manifest: Manifest): z.infer<typeof PodTemplate> {
  return Workload.parse(manifest).spec.template;
}

/** The operator's environment, as its container gets it. */
export function environmentOf(text: string, deployment = "wa-whatsapp-operator"): Readonly<Record<string, string>> {
  const [container] = templateOf(one(text, "Deployment", deployment)).spec.containers;
  const fromFields = { POD_NAME: "wa-whatsapp-operator-0", POD_NAMESPACE: "wa-system" };
  const set = (container?.env ?? []).flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]]));
  return { ...fromFields, ...Object.fromEntries(set) };
}

const ConfigMap = z.object({ data: z.record(z.string(), z.string()) });

/** What the kubelet would mount of the chart's ConfigMaps into the operator, by path. */
export function filesOf(text: string, deployment = "wa-whatsapp-operator"): ReadonlyMap<string, string> {
  const { containers, volumes } = templateOf(one(text, "Deployment", deployment)).spec;
  const files = volumes.flatMap(({ name, configMap }) => {
    const path = containers[0]?.volumeMounts.find((mount) => mount.name === name)?.mountPath;
    if (configMap === undefined || path === undefined) return [];
    const { data } = ConfigMap.parse(one(text, "ConfigMap", configMap.name));
    return Object.entries(data).map(([key, content]) => [join(path, key), content] as const);
  });
  return new Map(files);
}

/** The operator's configuration, as its container reads it. */
export function configOf(text: string): Config {
  const files = filesOf(text);
  return readConfig(environmentOf(text), (path) => {
    const content = files.get(path);
    if (content === undefined) throw new Error("not mounted");
    return content;
  });
}
