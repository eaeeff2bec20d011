import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { startApiServer, type ApiServer } from "./api-server.ts";
import { render } from "./chart.ts";
import { commandsUnder, runCommand } from "./docs-commands.ts";
import { eventually } from "./eventually.ts";
import { documentsOf, serverSideApply } from "./server-side-apply.ts";
import { Stage } from "./stage.ts";

/** A ResourceQuota that counts CPU limits: what pods need then, in the release's namespace and in the devices'. */
let server: ApiServer;
beforeAll(async () => {
  server = await startApiServer();
  await server.applyCrds();
});
afterAll(async () => {
  await server.stop();
});

const hard = { "limits.cpu": "4" };

/** Nobody here counts for the quota, so that its status is written by hand; the API server refuses by that. */
async function limitCpu(namespace: string): Promise<void> {
  const path = `/api/v1/namespaces/${namespace}/resourcequotas`;
  await server.transport.call({ method: "POST", path, body: { metadata: { name: "compute" }, spec: { hard } } });
  await server.transport.call({
    method: "PATCH",
    path: `${path}/compute/status`,
    contentType: "application/merge-patch+json",
    body: { status: { hard, used: { "limits.cpu": "0" } } },
  });
}

const Template = z.object({
  kind: z.string(),
  spec: z.object({
    template: z.object({
      metadata: z.looseObject({}),
      spec: z.looseObject({ volumes: z.array(z.unknown()).default([]) }),
    }),
  }),
});

describe("in the release's namespace", () => {
  /** As Deployment, StatefulSet and Job would make them; the words of who is refused, by kind. */
  async function refusals(...settings: readonly string[]): Promise<Readonly<Record<string, string>>> {
    const documents = documentsOf(render(...settings));
    for (const document of documents.filter(({ kind }) => kind === "ServiceAccount"))
      await serverSideApply(server.transport, document, { namespace: "wa-system", isDryRun: false });
    const workloads = documents.flatMap((document) => Template.safeParse(document).data ?? []);
    const answers = workloads.map(async ({ kind, spec: { template } }) => {
      const claimed = kind === "StatefulSet" ? [{ name: "data", emptyDir: {} }] : [];
      const spec = { ...template.spec, volumes: [...template.spec.volumes, ...claimed] };
      const body = { metadata: { ...template.metadata, name: kind.toLowerCase() }, spec };
      const asked = {
        method: "POST",
        path: "/api/v1/namespaces/wa-system/pods",
        query: { dryRun: "All" },
        body,
      } as const;
      return await server.transport.call(asked).then(
        () => [kind, ""],
        (error: unknown) => [kind, String(error)],
      );
    });
    return Object.fromEntries(await Promise.all(answers));
  }

  it("every pod of the chart, the uninstall's too, can be given what a quota asks for", async () => {
    await server.createNamespace("wa-system");
    await limitCpu("wa-system");
    expect((await refusals())["Job"]).toContain("must specify limits.cpu for: uninstall");
    const set = ["resources.limits.cpu=1", "postgresql.resources.limits.cpu=1"];
    expect(await refusals(...set)).toEqual({ Deployment: "", Job: "", StatefulSet: "" });
  });
});

const Pod = z.object({
  spec: z.object({ containers: z.array(z.object({ resources: z.object({ limits: z.looseObject({}) }) })) }),
});

describe("in the devices' namespace", () => {
  it("a session pod is refused in the quota's words, and made once the docs' LimitRange is there", async () => {
    await using stage = await Stage.set(server);
    const { shop } = stage;
    await limitCpu(shop.namespace);
    await shop.applyPool();
    await shop.applyDevice("ann");
    await eventually(async () => {
      const ready = (await shop.device("ann")).status.conditions.find(({ type }) => type === "Ready");
      expect(ready?.message).toContain("must specify limits.cpu");
    });
    const limit = commandsUnder("docs/debugging.md", "A session pod that does not start").at(-1) ?? "";
    await runCommand(server, limit.replace("kubectl apply", `kubectl -n ${shop.namespace} apply`));
    await eventually(async () => {
      expect(await shop.pods()).toHaveLength(1);
    }, 60_000);
    const path = `/api/v1/namespaces/${shop.namespace}/pods/${(await shop.pods())[0]?.name ?? ""}`;
    const pod = Pod.parse(await shop.call("GET", path));
    expect(pod.spec.containers[0]?.resources.limits["cpu"]).toBe("1");
  });
});
