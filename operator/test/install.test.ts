import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RawObject } from "../src/kube/object.ts";
import { startApiServer, type ApiServer } from "./api-server.ts";
import { chart, helm } from "./chart.ts";
import { documentsOf, serverSideApply, titleOf } from "./server-side-apply.ts";

/** manifests/install on a real API server: all that `kubectl apply --server-side -f` sends, and that it is what Helm would install. */
const folder = join(import.meta.dirname, "../../manifests/install");
const namespace = "whatsapp-operator-system";
const read = (file: string): readonly RawObject[] => documentsOf(readFileSync(join(folder, file), "utf8"));
const install = read("install.yaml");
const uninstall = read("uninstall.yaml");
const isDefinition = ({ kind }: RawObject): boolean => kind === "CustomResourceDefinition";
const isHook = ({ metadata }: RawObject): boolean => metadata.annotations?.["helm.sh/hook"] !== undefined;

let server: ApiServer;
beforeAll(async () => {
  server = await startApiServer();
});
afterAll(async () => {
  await server.stop();
});

it("installs on an API server that knows nothing of us, and once more over itself", async () => {
  await server.createNamespace(namespace);
  for (const _ of ["first", "again"])
    for (const document of install)
      await serverSideApply(server.transport, document, { namespace: "default", isDryRun: false });
  const path = `/apis/apps/v1/namespaces/${namespace}/deployments/whatsapp-operator`;
  await expect(server.transport.call({ method: "GET", path })).resolves.toBeDefined();
  for (const document of uninstall)
    await serverSideApply(server.transport, document, { namespace: "default", isDryRun: true });
});

describe("is what Helm installs", () => {
  const withoutHelmsMarks = ({ metadata, ...rest }: RawObject): object => {
    const { annotations: _, labels = {}, ...others } = metadata;
    const { "helm.sh/chart": _chart, "app.kubernetes.io/managed-by": _manager, ...ours } = labels;
    return { ...rest, metadata: { ...others, labels: ours } };
  };
  const rendered = documentsOf(helm("template", "whatsapp-operator", chart, "-n", namespace));
  const own = rendered.filter((document) => !isDefinition(document));

  it.each([
    [
      "install.yaml",
      install.filter((document) => !isDefinition(document)),
      own.filter((document) => !isHook(document)),
    ],
    ["uninstall.yaml, its hooks", uninstall, own.filter(isHook)],
  ])("%s", (_, found, expected) => {
    expect(found.length).toBeGreaterThan(3);
    expect(found).toEqual(expected.map(withoutHelmsMarks));
  });

  it("the definitions, without Helm's order to keep them", () => {
    const specs = (documents: readonly RawObject[]) => documents.filter(isDefinition).map(({ spec }) => spec);
    expect(specs(install)).toHaveLength(3);
    expect(new Set(specs(install))).toEqual(new Set(specs(rendered)));
  });
});

it("holds nothing whose deletion loses credentials: no namespace, Secret or claim", () => {
  const kinds = new Set(install.map((document) => titleOf(document).split(" ")[0]));
  expect(kinds).not.toContain("Namespace");
  expect(kinds).not.toContain("Secret");
  expect(kinds).not.toContain("PersistentVolumeClaim");
});
