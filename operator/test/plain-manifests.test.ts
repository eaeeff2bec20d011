import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { z } from "zod";
import { startApiServer, type ApiServer } from "./api-server.ts";
import { chart, render } from "./chart.ts";
import { commandsUnder, runCommand } from "./docs-commands.ts";
import { eventually } from "./eventually.ts";
import { documentsOf, titleOf } from "./server-side-apply.ts";

/** docs/gitops.md word by word for who has no hooks, with kubectl's own kustomize. */
const system = "wa-system";
const jobPath = `/apis/batch/v1/namespaces/${system}/jobs`;
const [write = "", apply = "", remove = "", uninstall = "", wait = ""] = commandsUnder(
  "docs/gitops.md",
  "Kustomize and plain manifests",
);
let server: ApiServer;
let folder: string;
beforeAll(async () => {
  server = await startApiServer();
  await server.createNamespace(system);
  folder = await mkdtemp(join(tmpdir(), "wa-kustomize-"));
  await cp(dirname(chart), join(folder, "charts"), { recursive: true });
});
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

const run = async (command: string): Promise<string> => await runCommand(server, command, folder);
const Jobs = z.object({ items: z.array(z.object({ metadata: z.object({ name: z.string() }) })) });
async function jobs(): Promise<readonly string[]> {
  return Jobs.parse(await server.transport.call({ method: "GET", path: jobPath })).items.map(
    ({ metadata }) => metadata.name,
  );
}

it("the docs' kustomization installs the operator without the uninstall's Job", async () => {
  await run(write);
  await run(apply);
  const path = `/apis/apps/v1/namespaces/${system}/deployments/wa-whatsapp-operator`;
  await expect(server.transport.call({ method: "GET", path })).resolves.toBeDefined();
  expect(await jobs()).toEqual([]);
});

it("the value leaves out the Job and all that only it needs", () => {
  const titles = (text: string) => documentsOf(text).map(titleOf);
  const without = titles(render("uninstallJob=false"));
  expect(without.filter((title) => title.includes("uninstall"))).toEqual([]);
  expect(titles(render()).filter((title) => !without.includes(title))).toHaveLength(6);
});

it("the docs' way to uninstall it starts the Job once the Deployment is gone, and waits for it", async () => {
  await run(remove);
  await run(uninstall);
  expect(await jobs()).toEqual(["wa-whatsapp-operator-uninstall"]);
  const waiting = run(wait);
  const at = new Date(Date.now() - 5_000).toISOString();
  const condition = (type: string) => ({ type, status: "True", lastTransitionTime: at });
  const conditions = [condition("SuccessCriteriaMet"), condition("Complete")];
  await eventually(async () => {
    await server.transport.call({
      method: "PATCH",
      path: `${jobPath}/wa-whatsapp-operator-uninstall/status`,
      contentType: "application/merge-patch+json",
      body: { status: { startTime: at, completionTime: at, succeeded: 1, uncountedTerminatedPods: {}, conditions } },
    });
  });
  expect(await waiting).toContain("condition met");
});
