import { join } from "node:path";
import { hubPort, labels, labelValues } from "@wa/schema";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { chart, configOf, helm, manifestsOf, one, render, templateOf } from "./chart.ts";

const external = ["postgresql.enabled=false", "store.existingSecret=my-store"];
const digest = (digit: string): string => `sha256:${digit.repeat(64)}`;
const digests = [
  `operator.digest=${digest("a")}`,
  `sessionPod.digest=${digest("b")}`,
  `postgresql.digest=${digest("c")}`,
];

const Service = z.object({
  spec: z.object({ selector: z.record(z.string(), z.string()), ports: z.array(z.object({ port: z.number() })) }),
});

describe("the chart", () => {
  it.each([
    ["chart-own-database.yaml", []],
    ["chart-external-store.yaml", [...external, "replicas=1", "images.registry=registry.example.org/team"]],
    ["chart-digests.yaml", ["images.registry=registry.example.org/team/", ...digests.map((set) => `images.${set}`)]],
  ])("renders as %s", async (file, settings) => {
    const definitions = (text: string) => text.includes("kind: CustomResourceDefinition");
    const text = render(...settings)
      .split(/^---\n/m)
      .filter((part) => !definitions(part))
      .join("---\n");
    await expect(text).toMatchFileSnapshot(join(import.meta.dirname, "golden", file));
  });

  it("gives the operator an environment that it reads, with the chart's own database", () => {
    const config = configOf(render());
    expect(config.store).toMatchObject({ kind: "OwnDatabase", host: "wa-whatsapp-operator-postgresql.wa-system.svc" });
    expect(config).toMatchObject({ installation: "wa-system/wa", hubHost: "wa-whatsapp-operator-hub.wa-system.svc" });
  });

  it("gives the operator an environment that it reads, with a database of the user's", () => {
    const config = configOf(render(...external, "images.pullSecrets={one,two}", "installation=blue"));
    expect(config.store).toEqual({ kind: "Url", secret: "my-store", key: "url" });
    expect(config).toMatchObject({ installation: "blue", session: { pullSecrets: ["one", "two"] } });
  });

  it("sends dials to the pod with the leader's label alone", () => {
    const text = render();
    const { selector, ports } = Service.parse(one(text, "Service", "wa-whatsapp-operator-hub")).spec;
    const { labels: carried } = templateOf(one(text, "Deployment", "wa-whatsapp-operator")).metadata;
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

  it("names every image by its digest where there is one, the session pods' too", () => {
    const text = render(...digests.map((set) => `images.${set}`));
    const images = (kind: string, name: string) =>
      templateOf(one(text, kind, name)).spec.containers.map(({ image }) => image);
    expect(images("Deployment", "wa-whatsapp-operator")).toEqual([`whatsapp-operator@${digest("a")}`]);
    expect(images("Job", "wa-whatsapp-operator-uninstall")).toEqual([`whatsapp-operator@${digest("a")}`]);
    expect(images("StatefulSet", "wa-whatsapp-operator-postgresql")).toEqual([`whatsapp-postgresql@${digest("c")}`]);
    expect(configOf(text).session.image).toBe(`whatsapp-session-pod@${digest("b")}`);
  });

  it("names the release's namespace on everything that has one, so that kubectl needs no -n", () => {
    const homeless = manifestsOf(render())
      .filter(({ kind }) => !kind.startsWith("Cluster") && kind !== "CustomResourceDefinition")
      .filter(({ metadata }) => metadata["namespace"] !== "wa-system");
    expect(homeless.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual([]);
  });

  it("passes Helm's own lint", () => {
    expect(helm("lint", "--strict", chart)).toContain("0 chart(s) failed");
    expect(() => helm("lint", "--strict", chart, "--set", "replicas=none")).toThrow("replicas");
  });

  it.each([
    ["two stores", ["store.existingSecret=my-store"], "exclude each other"],
    ["no store", ["postgresql.enabled=false"], "a store is needed"],
    ["a misspelt value", ["replica=3"], "replica"],
    ["a root key that is none", ["whatsapp.rootKey=abc"], "rootKey"],
    ["a digest that is none", ["images.operator.digest=latest"], "digest"],
    ["a URL of another kind", ["whatsapp.url=https://example.org"], "url"],
  ])("refuses %s and says so", (_, settings, words) => {
    expect(() => render(...settings)).toThrow(words);
  });
});
