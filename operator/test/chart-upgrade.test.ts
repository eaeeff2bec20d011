import { readFileSync, writeFileSync } from "node:fs";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { setTimeout as delay } from "node:timers/promises";
import { parse, stringify } from "yaml";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { startApiServer, type ApiServer } from "./api-server.ts";
import { chart } from "./chart.ts";
import { commandsUnder, runCommand } from "./docs-commands.ts";

/** docs/install.md word by word, with Helm, kubectl and a real API server. Nothing runs there, so nothing is waited for. */
const system = "wa-system";
let server: ApiServer;
let folder: string;
beforeAll(async () => {
  server = await startApiServer();
  folder = await mkdtemp(join(tmpdir(), "wa-upgrade-"));
});
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

const docs = (heading: string): readonly string[] => commandsUnder("docs/install.md", heading);
const run = async (command: string): Promise<string> => await runCommand(server, command.replace(" --wait", ""));
const [install = ""] = docs("With Helm");
const [upgrade = ""] = docs("Upgrade");
const get = async (path: string): Promise<unknown> => await server.transport.call({ method: "GET", path });

const Deployment = z.object({
  spec: z.object({ template: z.object({ spec: z.object({ containers: z.array(z.object({ image: z.string() })) }) }) }),
});
async function operatorImage(): Promise<string | undefined> {
  const path = `/apis/apps/v1/namespaces/${system}/deployments/wa-whatsapp-operator`;
  return Deployment.parse(await get(path)).spec.template.spec.containers[0]?.image;
}

/** The chart as a later release may have it: one more nested value, which its templates use. */
async function nextChart(): Promise<string> {
  const copy = await mkdtemp(join(folder, "next-"));
  await cp(chart, copy, { recursive: true });
  const edit = (file: string, change: (content: Record<string, unknown>) => void): void => {
    const content = z.record(z.string(), z.unknown()).parse(parse(readFileSync(join(copy, file), "utf8")));
    change(content);
    writeFileSync(join(copy, file), file.endsWith(".json") ? JSON.stringify(content) : stringify(content));
  };
  const Images = z.looseObject({ properties: z.looseObject({}), required: z.array(z.string()) });
  edit("values.yaml", (values) => {
    values["images"] = { ...z.looseObject({}).parse(values["images"]), gateway: { name: "gw" } };
  });
  edit("values.schema.json", (schema) => {
    const images = Images.parse(z.looseObject({ images: Images }).parse(schema["properties"]).images);
    images.properties["gateway"] = { type: "object", required: ["name"] };
    images.required.push("gateway");
    schema["properties"] = { ...z.looseObject({}).parse(schema["properties"]), images };
  });
  edit("Chart.yaml", (meta) => Object.assign(meta, { version: "0.2.0+570022cfeb6c", appVersion: "0.2.0+build.5" }));
  writeFileSync(
    join(copy, "templates/gateway.yaml"),
    "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: gateway }\ndata: { name: {{ .Values.images.gateway.name }} }\n",
  );
  return copy;
}

describe("the docs' way to upgrade", () => {
  it("takes a chart that has one more value, whatever its version says, and keeps what was set", async () => {
    await run(install);
    expect(await operatorImage()).toBe("registry.example.org/team/whatsapp-operator:0.1.0");
    const next = await nextChart();
    await run(upgrade.replace("charts/whatsapp-operator", next));
    expect(await operatorImage()).toBe("registry.example.org/team/whatsapp-operator:0.2.0_build.5");
    expect(await get(`/api/v1/namespaces/${system}/configmaps/gateway`)).toMatchObject({ data: { name: "gw" } });
  });

  it("back to the chart of before works the same way", async () => {
    await run(upgrade);
    expect(await operatorImage()).toBe("registry.example.org/team/whatsapp-operator:0.1.0");
  });

  it("is not --reuse-values, which is refused by the name of what is missing, and changes nothing", async () => {
    const reused = upgrade.replace("--reset-then-reuse-values", "--reuse-values");
    expect(reused).not.toBe(upgrade);
    const next = await nextChart();
    await expect(run(reused.replace("charts/whatsapp-operator", next))).rejects.toThrow(
      "at '/images': missing property 'gateway'",
    );
    expect(await operatorImage()).toBe("registry.example.org/team/whatsapp-operator:0.1.0");
  });
});

describe("more room for the database", () => {
  const claim = "data-wa-whatsapp-operator-postgresql-0";
  const statefulSets = `/apis/apps/v1/namespaces/${system}/statefulsets`;
  const StatefulSet = z.object({
    metadata: z.object({ finalizers: z.array(z.string()).default([]), deletionTimestamp: z.string().optional() }),
    spec: z.object({
      volumeClaimTemplates: z.array(
        z.object({ spec: z.object({ resources: z.object({ requests: z.object({ storage: z.string() }) }) }) }),
      ),
    }),
  });
  const statefulSet = async () => StatefulSet.parse(await get(`${statefulSets}/wa-whatsapp-operator-postgresql`));
  const sizes = async () =>
    (await statefulSet()).spec.volumeClaimTemplates.map(({ spec }) => spec.resources.requests.storage);

  /** The part of Kubernetes that lets go of what an orphaning deletion leaves. */
  async function orphan(): Promise<void> {
    for (;;) {
      const { metadata } = await statefulSet();
      if (metadata.deletionTimestamp !== undefined) break;
      await delay(100);
    }
    const path = `${statefulSets}/wa-whatsapp-operator-postgresql`;
    await server.transport.call({
      method: "PATCH",
      path,
      body: { metadata: { finalizers: null } },
      contentType: "application/merge-patch+json",
    });
  }

  async function boundClaim(): Promise<void> {
    const post = async (path: string, body: object) => await server.transport.call({ method: "POST", path, body });
    await post("/apis/storage.k8s.io/v1/storageclasses", {
      metadata: { name: "growing" },
      provisioner: "example.org/disks",
      allowVolumeExpansion: true,
    });
    const spec = {
      accessModes: ["ReadWriteOnce"],
      storageClassName: "growing",
      volumeName: "disk-1",
      resources: { requests: { storage: "8Gi" } },
    };
    const claims = `/api/v1/namespaces/${system}/persistentvolumeclaims`;
    await post(claims, { metadata: { name: claim }, spec });
    await server.transport.call({
      method: "PATCH",
      path: `${claims}/${claim}/status`,
      body: { status: { phase: "Bound", capacity: { storage: "8Gi" } } },
      contentType: "application/merge-patch+json",
    });
  }

  it.each([
    ["postgresql.storage.size=20Gi", "postgresql.storage.size is 20Gi and the StatefulSet's claim has 8Gi"],
    ["postgresql.storage.storageClassName=fast", 'storageClassName is "fast" and the StatefulSet\'s claim has ""'],
  ])("is not had by %s alone; Helm says so and names the way", async (setting, words) => {
    const asked = run(`${upgrade} --set ${setting}`);
    await expect(asked).rejects.toThrow(words);
    await expect(asked).rejects.toThrow("More room for the database");
  });

  it("is no other size in other words", async () => {
    await run(`${upgrade} --set postgresql.storage.size=8192Mi`);
    expect(await sizes()).toEqual(["8Gi"]);
  });

  it("is had by the docs' steps, one after the other", async () => {
    await boundClaim();
    const [patch = "", remove = "", grow = ""] = docs("More room for the database");
    await run(patch);
    expect(await get(`/api/v1/namespaces/${system}/persistentvolumeclaims/${claim}`)).toMatchObject({
      spec: { resources: { requests: { storage: "20Gi" } } },
    });
    await Promise.all([run(remove), orphan()]);
    await run(grow);
    expect(await sizes()).toEqual(["20Gi"]);
    await run(upgrade);
    expect(await sizes()).toEqual(["20Gi"]);
  });
});

it("certificates as many as the schema allows fit into Helm's own Secret and into the ConfigMap", async () => {
  const file = join(folder, "ca.pem");
  const once = `${rootCertificates.join("\n")}\n`;
  writeFileSync(file, once.repeat(3).slice(0, 399_999));
  await run(`${upgrade} --set-file whatsapp.caBundle=${file}`);
  const found = await get(`/api/v1/namespaces/${system}/configmaps/wa-whatsapp-operator-ca`);
  const { data } = z.object({ data: z.object({ "ca.pem": z.string() }) }).parse(found);
  expect(data["ca.pem"].length).toBeGreaterThan(390_000);
});
