import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { apiVersion, type EgressEndpoint, type EgressPool, type WhatsAppDevice } from "@wa/schema";
import { beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { nextStatus } from "../src/plan/device-status.ts";
import { planEndpoint } from "../src/plan/endpoint.ts";
import { rowOf, situationNames, type SituationName } from "../src/plan/phases.ts";
import { planPool } from "../src/plan/pool.ts";
import {
  aDevice,
  aLink,
  anEndpoint,
  aPod,
  aPool,
  aRecord,
  assignment,
  aWorld,
  now,
  proxyMember,
  type WorldOver,
} from "./builders.ts";

/** What Argo CD and Flux make of every status, by the samples that users apply and the parts that Argo CD and Flux run. */
const samples = join(import.meta.dirname, "../../manifests/samples/gitops");
const source = join(import.meta.dirname, "gitops");
const binary = join(import.meta.dirname, "../../.cache/gitops/judge");
/** A cold compile of Kubernetes' and Flux' packages; the compiler's own cache makes the next one short. */
const buildWithinMs = 900_000;

const kustomization = readFileSync(join(samples, "flux.yaml"), "utf8");
const prefix = "resource.customizations.health.whatsapp-operator.io_";
const ConfigMap = z.object({ data: z.record(z.string(), z.string()) });
const { data } = ConfigMap.parse(parse(readFileSync(join(samples, "argocd-cm.yaml"), "utf8")));
const health = Object.fromEntries(Object.entries(data).map(([key, script]) => [key.replace(prefix, ""), script]));

const Answers = z.array(z.object({ argo: z.string(), argoMessage: z.string(), kstatus: z.string(), flux: z.string() }));
type Answer = z.infer<typeof Answers>[number];
type Subject = Partial<WhatsAppDevice | EgressPool | EgressEndpoint> & {
  readonly kind: "WhatsAppDevice" | "EgressPool" | "EgressEndpoint";
};

async function judged(subject: Subject): Promise<Answer> {
  const child = spawn(binary, { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(JSON.stringify({ health, kustomization, objects: [{ apiVersion, ...subject }] }));
  const [said] = await Promise.all([text(child.stdout), once(child, "exit")]);
  const [answer] = Answers.parse(JSON.parse(said));
  if (answer === undefined) throw new Error("no answer");
  return answer;
}

beforeAll(async () => {
  await promisify(execFile)("go", ["build", "-o", binary, "."], { cwd: source, timeout: buildWithinMs });
}, buildWithinMs);

/** Rows of the docs' table: Argo CD's column and Flux' by what the row is for. */
const table = new Map(
  readFileSync(join(import.meta.dirname, "../../docs/reference/phases.md"), "utf8")
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) => line.split("|").map((cell) => cell.trim()))
    .map((cells) => [cells[9], { argo: cells[7], flux: cells[8] }] as const),
);
const kstatusWords: Readonly<Record<string, string>> = {
  InProgress: "in progress",
  Failed: "failed",
  Current: "current",
  Terminating: "terminating",
};

function deviceIn(name: SituationName, isPaired: boolean): Subject {
  const conditions = isPaired
    ? [
        {
          type: "Paired",
          status: "True",
          reason: "Paired",
          lastTransitionTime: "2026-01-01T00:00:00Z",
          observedGeneration: 1,
        },
      ]
    : [];
  const device = aDevice({ status: { conditions, assignment: assignment() } });
  const situation = { name, reason: "Restarting" as const, message: `it is ${name}` };
  const status = nextStatus(device, { placement: { assignment: assignment() }, situation, report: undefined, now });
  const isGoing = rowOf(name).phase === "Terminating";
  const metadata = isGoing ? { ...device.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } : device.metadata;
  return { ...device, kind: "WhatsAppDevice", metadata, status };
}

describe.each([
  ["never linked", false],
  ["linked before", true],
])("a device %s: the docs' table is what is answered", (_what, isPaired) => {
  it.each(situationNames)("%s", async (name) => {
    const { explains, progress } = rowOf(name);
    const answer = await judged(deviceIn(name, isPaired));
    expect({ argo: answer.argo, flux: kstatusWords[answer.kstatus] }).toEqual(table.get(explains));
    if (rowOf(name).phase !== "Terminating") expect(answer.argoMessage).toBe(`it is ${name}`);
    const expected = { Reconciling: "InProgress", Waiting: "Current", Stalled: "Failed", Settled: "Current" }[progress];
    expect(answer.flux, "with the sample's healthCheckExprs").toBe(expected);
  });
});

describe("what the operator has not seen yet is in progress", () => {
  it("a device just applied", async () => {
    const { status: _status, ...device } = aDevice();
    // Unknown is no end for Flux either: it asks again.
    expect(await judged({ ...device, kind: "WhatsAppDevice" })).toMatchObject({ argo: "Progressing", flux: "Unknown" });
  });

  it("a connected device whose spec has changed since", async () => {
    const device = { ...deviceIn("Connected", true), metadata: aDevice({ metadata: { generation: 2 } }).metadata };
    expect(await judged(device)).toMatchObject({ argo: "Progressing", kstatus: "InProgress", flux: "InProgress" });
  });
});

const pool = async (over: WorldOver): Promise<Answer> => {
  const world = aWorld(over);
  const [found = aPool()] = world.pools.values();
  return await judged({ ...found, kind: "EgressPool", status: planPool(found, world, now).status ?? found.status });
};
const ready = [
  { type: "Ready", status: "True", reason: "Idle", lastTransitionTime: "2026-01-01T00:00:00Z", observedGeneration: 1 },
];

describe("a pool", () => {
  it.each<[string, WorldOver, string, string]>([
    [
      "with a way out that is ready",
      { endpoints: [anEndpoint({ status: { conditions: ready } })] },
      "Healthy",
      "Current",
    ],
    ["with none that is ready", { endpoints: [anEndpoint()] }, "Progressing", "InProgress"],
    ["without members", { pools: [aPool({ spec: { members: [] } })] }, "Progressing", "InProgress"],
    [
      "whose way out's name another pool has taken",
      { endpoints: [anEndpoint({ spec: { pool: "other" } })] },
      "Degraded",
      "Failed",
    ],
  ])("%s", async (_what, over, argo, kstatus) => {
    expect(await pool(over)).toMatchObject({ argo, kstatus, flux: kstatus });
  });
});

const endpoint = async (over: WorldOver): Promise<Answer> => {
  const found = anEndpoint({ status: { pods: [aRecord()] } });
  const guest = aDevice({ status: { assignment: assignment() } });
  const world = aWorld({ endpoints: [found], devices: [guest], pods: [aPod()], ...over });
  const { status = found.status } = planEndpoint(found, world, now, () => "nonce");
  return await judged({ ...found, kind: "EgressEndpoint", status });
};

describe("an endpoint", () => {
  it.each<[string, WorldOver, string, string]>([
    ["whose session pod answers", { links: [aLink()] }, "Healthy", "Current"],
    ["whose session pod does not", {}, "Progressing", "InProgress"],
    [
      "whose proxy has no Secret",
      { links: [aLink({ egressProblem: { reason: "ProxySecretMissing", message: "none" } })] },
      "Progressing",
      "InProgress",
    ],
    [
      "whose member drains",
      { pools: [aPool({ spec: { members: [proxyMember("px", { state: "Draining" })] } })] },
      "Suspended",
      "InProgress",
    ],
  ])("%s", async (_what, over, argo, kstatus) => {
    expect(await endpoint(over)).toMatchObject({ argo, kstatus });
  });
});
