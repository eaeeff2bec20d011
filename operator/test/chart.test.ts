import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { hubPort, labels, labelValues } from "@wa/schema";
import { describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { z } from "zod";
import { readConfig } from "../src/config/config.ts";

const chart = join(import.meta.dirname, "../../charts/whatsapp-operator");
const helm = join(process.env["CACHE"] ?? join(homedir(), ".cache", "wa-cluster"), "bin", "helm");
if (!existsSync(helm)) throw new Error(`${helm} is missing: run manifests/cluster/build-binaries.sh helm`);

const render = (...settings: readonly string[]): string =>
  execFileSync(
    helm,
    ["template", "wa", chart, "-n", "wa-system", ...settings.flatMap((setting) => ["--set", setting])],
    {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
const external = ["postgresql.enabled=false", "store.existingSecret=my-store"];

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
const manifestsOf = (text: string): Manifest[] => parseAllDocuments(text).map((found) => Manifest.parse(found.toJS()));

function one(text: string, kind: string, name: string): Manifest {
  const found = manifestsOf(text).find((manifest) => manifest.kind === kind && manifest.metadata.name === name);
  if (found === undefined) throw new Error(`no ${kind} ${name} in the chart`);
  return found;
}

const PodTemplate = z.object({
  metadata: z.object({ labels: z.record(z.string(), z.string()) }),
  spec: z.object({
    containers: z.array(z.object({ env: z.array(z.object({ name: z.string(), value: z.string().optional() })) })),
  }),
});
const Deployment = z.object({ spec: z.object({ template: PodTemplate }) });
const Service = z.object({
  spec: z.object({ selector: z.record(z.string(), z.string()), ports: z.array(z.object({ port: z.number() })) }),
});

function templateOf(text: string): z.infer<typeof PodTemplate> {
  return Deployment.parse(one(text, "Deployment", "wa-whatsapp-operator")).spec.template;
}

function environmentOf(text: string): Record<string, string> {
  const [container] = templateOf(text).spec.containers;
  const fromFields = { POD_NAME: "wa-whatsapp-operator-0", POD_NAMESPACE: "wa-system" };
  const set = (container?.env ?? []).flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]]));
  return { ...fromFields, ...Object.fromEntries(set) };
}

describe("the chart", () => {
  it.each([
    ["chart-own-database.yaml", []],
    ["chart-external-store.yaml", [...external, "replicas=1", "images.registry=registry.example.org/team"]],
  ])("renders as %s", async (file, settings) => {
    const definitions = (text: string) => text.includes("kind: CustomResourceDefinition");
    const text = render(...settings)
      .split(/^---\n/m)
      .filter((part) => !definitions(part))
      .join("---\n");
    await expect(text).toMatchFileSnapshot(join(import.meta.dirname, "golden", file));
  });

  it("gives the operator an environment that it reads, with the chart's own database", () => {
    const config = readConfig(environmentOf(render()));
    expect(config.store).toMatchObject({ kind: "OwnDatabase", host: "wa-whatsapp-operator-postgresql.wa-system.svc" });
    expect(config).toMatchObject({ installation: "wa-system/wa", hubHost: "wa-whatsapp-operator-hub.wa-system.svc" });
  });

  it("gives the operator an environment that it reads, with a database of the user's", () => {
    const config = readConfig(environmentOf(render(...external, "images.pullSecrets={one,two}", "installation=blue")));
    expect(config.store).toEqual({ kind: "Url", secret: "my-store", key: "url" });
    expect(config).toMatchObject({ installation: "blue", session: { pullSecrets: ["one", "two"] } });
  });

  it("sends dials to the pod with the leader's label alone", () => {
    const text = render();
    const { selector, ports } = Service.parse(one(text, "Service", "wa-whatsapp-operator-hub")).spec;
    const { labels: carried } = templateOf(text).metadata;
    expect(carried[labels.component]).toBe(labelValues.operator);
    expect(selector).toEqual({ ...carried, [labels.leader]: "true" });
    expect(ports).toEqual([{ port: hubPort }].map((port) => expect.objectContaining(port)));
  });

  it("lets nobody list, watch, change or delete a Secret, nor read one outside of its namespace", () => {
    const rights = [render(), render(...external)]
      .flatMap(manifestsOf)
      .flatMap(({ kind, rules }) =>
        rules
          .filter(({ resources }) => resources.includes("secrets"))
          .flatMap(({ verbs }) => verbs.map((verb) => `${kind} ${verb}`)),
      );
    expect(new Set(rights)).toEqual(new Set(["Role get", "Role create"]));
  });

  it("asks for no right by a wildcard", () => {
    const all = manifestsOf(render()).flatMap(({ rules }) => rules);
    expect(all.length).toBeGreaterThan(8);
    expect(all.flatMap(({ apiGroups, resources, verbs }) => [...apiGroups, ...resources, ...verbs])).not.toContain("*");
  });

  it.each([
    ["two stores", ["store.existingSecret=my-store"], "exclude each other"],
    ["no store", ["postgresql.enabled=false"], "a store is needed"],
    ["a misspelt value", ["replica=3"], "replica"],
    ["a root key that is none", ["whatsapp.rootKey=abc"], "rootKey"],
    ["a URL of another kind", ["whatsapp.url=https://example.org"], "url"],
  ])("refuses %s and says so", (_, settings, words) => {
    expect(() => render(...settings)).toThrow(words);
  });
});
