import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { EgressEndpoint, EgressPool, WhatsAppDevice, type PoolMember } from "@wa/schema";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import type { RawObject } from "../src/kube/object.ts";
import { startApiServer, type ApiServer } from "./api-server.ts";
import { configOf, renderWith } from "./chart.ts";
import { documentsOf, serverSideApply, titleOf } from "./server-side-apply.ts";

/**
 * What people copy: each file of manifests/samples on a real API server and on zod, and each file of values on the chart. A file
 * that is put there is tried without a word here, but for its number; those for Argo CD and Flux in gitops.test.ts too.
 */
const folder = join(import.meta.dirname, "../../manifests/samples");
const files = globSync("**/*.yaml", { cwd: folder }).toSorted();
const values = files.filter((file) => dirname(file) === "values");
/** Of kinds that only Flux' and Argo CD's clusters know, or about objects of theirs. */
const others = files.filter((file) => dirname(file) === "gitops");
const manifests = files.filter((file) => !values.includes(file) && !others.includes(file));
const read = (file: string): string => readFileSync(join(folder, file), "utf8");

let server: ApiServer;
let namespace: string;
beforeAll(async () => {
  server = await startApiServer();
  await server.applyCrds();
  namespace = await server.createNamespace();
  await server.createNamespace("wa-system");
});
afterAll(async () => {
  await server.stop();
});

const schemas = { WhatsAppDevice, EgressPool, EgressEndpoint };
const isOurs = (kind: unknown): kind is keyof typeof schemas => typeof kind === "string" && kind in schemas;

it("tries as many files as there are", () => {
  expect([manifests.length, values.length, others.length]).toEqual([10, 5, 2]);
});

describe("the API server and zod accept", () => {
  it.each(manifests)("%s", async (file) => {
    const documents = documentsOf(read(file));
    expect(documents.length).toBeGreaterThan(0);
    for (const document of documents) {
      await serverSideApply(server.transport, document, { namespace, isDryRun: true });
      const { kind } = z.object({ kind: z.string() }).parse(document);
      if (isOurs(kind)) expect(schemas[kind].safeParse(document).error, titleOf(document)).toBeUndefined();
    }
  });
});

/** A sample is a file, or a folder of files that belong together. */
const samples = [...new Set(manifests.map((file) => (dirname(file) === "." ? file : dirname(file))))];
const documentsIn = (sample: string): readonly RawObject[] =>
  manifests.filter((file) => file === sample || dirname(file) === sample).flatMap((file) => documentsOf(read(file)));

const Secret = z.object({ metadata: z.object({ name: z.string() }), stringData: z.record(z.string(), z.string()) });

function ofKind<T>(documents: readonly RawObject[], kind: string, schema: z.ZodType<T>): readonly T[] {
  return documents.filter((document) => document["kind"] === kind).map((document) => schema.parse(document));
}

const isOpenTo = ({ spec }: WhatsAppDevice, { labels, state }: PoolMember): boolean =>
  state === "Active" && Object.entries(spec.egress.selector.matchLabels).every(([key, value]) => labels[key] === value);

/** What a device names and the sample lacks. */
function waysOutMissing(documents: readonly RawObject[]): readonly string[] {
  const pools = ofKind(documents, "EgressPool", EgressPool);
  return ofKind(documents, "WhatsAppDevice", WhatsAppDevice)
    .filter((device) => {
      const pool = pools.find(({ metadata }) => metadata.name === device.spec.egress.pool);
      return pool?.spec.members.some((member) => isOpenTo(device, member)) !== true;
    })
    .map(({ metadata }) => `a way out for ${metadata.name}`);
}

/** What a pool names and the sample lacks. */
function referencesMissing(documents: readonly RawObject[]): readonly string[] {
  const keysBySecret = new Map(
    ofKind(documents, "Secret", Secret).map(({ metadata, stringData }) => [metadata.name, Object.keys(stringData)]),
  );
  return ofKind(documents, "EgressPool", EgressPool).flatMap(({ spec }) => {
    const wanted = spec.members.flatMap(({ proxy }) => proxy?.credentialsSecretRef ?? []);
    const keys = wanted.flatMap(({ name, usernameKey, passwordKey }) =>
      [usernameKey, passwordKey]
        .filter((key) => keysBySecret.get(name)?.includes(key) !== true)
        .map((key) => `key ${key} of Secret ${name}`),
    );
    const priority = `PriorityClass ${spec.sessionPods.template.priorityClassName}`;
    const isThere = priority === "PriorityClass " || documents.map(titleOf).includes(priority);
    return isThere ? keys : [...keys, priority];
  });
}

describe("pools, labels, proxy credentials and priorities that are named are there", () => {
  it.each(samples)("%s", (sample) => {
    const documents = documentsIn(sample);
    expect(ofKind(documents, "WhatsAppDevice", WhatsAppDevice)).not.toEqual([]);
    expect([...waysOutMissing(documents), ...referencesMissing(documents)]).toEqual([]);
  });

  it("finds what is missing", () => {
    const fleet = documentsOf(read("fleet-by-country.yaml").replace('country: "DE", kind', 'country: "CH", kind'));
    expect(waysOutMissing(fleet)).toEqual(["a way out for sales-de"]);
    expect(referencesMissing(documentsOf(read("proxies.yaml").replace("login: customer", "user: customer")))).toEqual([
      "key login of Secret datacenter-proxy",
    ]);
  });
});

describe("the chart takes", () => {
  it.each(values)("%s; the API server accepts all of it, the operator its environment", async (file) => {
    const text = renderWith("-f", join(folder, file));
    expect(() => configOf(text)).not.toThrow();
    for (const document of documentsOf(text))
      await serverSideApply(server.transport, document, { namespace: "wa-system", isDryRun: true });
  });
});

it("argocd-cm keeps the keys that it had", async () => {
  await server.createNamespace("argocd");
  const [sample] = documentsOf(read("gitops/argocd-cm.yaml"));
  if (sample === undefined) throw new Error("the sample is empty");
  const path = "/api/v1/namespaces/argocd/configmaps";
  const before = { ...sample, data: { "timeout.reconciliation": "180s" } };
  await server.transport.call({ method: "POST", path, body: before });
  await serverSideApply(server.transport, sample, { namespace: "argocd", isDryRun: false });
  const after = await server.transport.call({ method: "GET", path: `${path}/argocd-cm` });
  expect(Object.keys(z.object({ data: z.record(z.string(), z.string()) }).parse(after).data)).toEqual([
    "resource.customizations.health.whatsapp-operator.io_EgressEndpoint",
    "resource.customizations.health.whatsapp-operator.io_EgressPool",
    "resource.customizations.health.whatsapp-operator.io_WhatsAppDevice",
    "timeout.reconciliation",
  ]);
});

it("refuses a sample with a field that does not exist", async () => {
  const [pool] = documentsOf(read("first-device.yaml").replace("  members:", "  gateway: x\n  members:"));
  if (pool === undefined) throw new Error("the sample is empty");
  const applied = serverSideApply(server.transport, pool, { namespace, isDryRun: true });
  await expect(applied).rejects.toThrow(".spec.gateway");
});
