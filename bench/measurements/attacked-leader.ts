import { setMaxListeners } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { Shop } from "../../operator/test/cluster.ts";
import { podToken } from "../../operator/test/pod-token.ts";
import { system } from "../../operator/test/seed.ts";
import type { Row } from "../src/result.ts";
import {
  floodAsForeigner,
  helloAgainAndAgain,
  holdHalfOpen,
  requestGrants,
  type Target,
  type TokenOfPod,
} from "../stage/attackers.ts";
import { install, type Installation } from "../stage/installation.ts";
import type { Measurement } from "../stage/measurement.ts";
import { start } from "../stage/program.ts";
import { rowOf } from "../stage/rows.ts";
import { say } from "../stage/say.ts";
import { memoryOf } from "../stage/usage.ts";

const attackMs = 60_000;
const restMs = 10_000;
const thieves = 5;
const foreigners = 100;
const halfOpen = 10_000;
const grantRequests = 65_000;
const honestDialer = join(import.meta.dirname, "../stage/honest-dialer.ts");

export const attackedLeader: Measurement = {
  title: "A leader under attack",
  how: `For a minute, all at once: ten thousand connections that say nothing, from a hundred addresses, each opened again when it is ended;
a hundred pods with good tokens that are nobody's, which dial and say megabytes; five stolen tokens of session pods that say one hello just under the limits after
the other, of starts, of as many shapes of objects as go in, of faults, of text and of brackets; and one that asks for grants 65,000 times. A session pod of
ours dials every second meanwhile. The operator is its image's compiled program. A turn is what its main thread uses of a CPU between two firings of a timer of 5 ms;
memory is resident, above that before the attack.`,
  measure,
};

async function measure(): Promise<readonly Row[]> {
  const folder = await mkdtemp(join(tmpdir(), "wa-turns-"));
  const turnsFile = join(folder, "turns");
  const probe = join(import.meta.dirname, "../stage/turn-probe.ts");
  await using installation = await install({
    TURNS_FILE: turnsFile,
    NODE_OPTIONS: `--max-semi-space-size=2 --disable-warning=ExperimentalWarning --import=${probe}`,
  });
  const pods = await recordedPods(installation, thieves + 2);
  const strangers = await foreignPods(installation);
  say("at rest");
  await delay(restMs);
  const { pid } = installation.operator;
  const restMB = (await memoryOf(pid)).nowMB;
  const before = await leaderOf(installation);
  const fromMs = Date.now();
  say("attacked");
  const { memoryMB, dialMs } = await attack(installation, pods, strangers);
  const after = await leaderOf(installation);
  const turns = await turnsSince(turnsFile, fromMs);
  await rm(folder, { recursive: true, force: true });
  return [
    rowOf("changes of leader, or ends of its process", {
      unit: "times",
      samples: [after === before ? 0 : 1],
      goals: [{ of: "max", atMost: 0 }],
    }),
    rowOf("resident memory above that at rest", {
      unit: "MB",
      samples: memoryMB.map((nowMB) => nowMB - restMB),
      goals: [{ of: "max", atMost: 200 }],
    }),
    rowOf("the longest turn of each second", { unit: "ms", samples: turns, goals: [{ of: "max", atMost: 200 }] }),
    rowOf("a session pod's dial → welcome meanwhile, its tries included", { unit: "ms", samples: dialMs }),
  ];
}

async function attack(installation: Installation, pods: readonly TokenOfPod[], strangers: readonly TokenOfPod[]) {
  const target = targetOf(installation, await caOf(installation));
  const over = AbortSignal.timeout(attackMs);
  setMaxListeners(0, over);
  const [honest, greedy, ...stolen] = pods;
  if (honest === undefined || greedy === undefined) throw new Error("no pods");
  const attacks = [
    holdHalfOpen(target, halfOpen, over),
    ...strangers.map(async (pod) => await floodAsForeigner(target, pod, over)),
    ...stolen.map(async (pod) => await helloAgainAndAgain(target, pod, over)),
  ];
  void requestGrants(target, greedy, grantRequests);
  const memoryMB: number[] = [];
  await using dialer = start([process.execPath, "--conditions=source", honestDialer], {
    ORDER: JSON.stringify({ target, pod: honest }),
    NODE_OPTIONS: "--disable-warning=ExperimentalWarning",
  });
  for (; !over.aborted; await delay(200)) memoryMB.push((await memoryOf(installation.operator.pid)).nowMB);
  await Promise.all(attacks);
  return { memoryMB, dialMs: dialer.log().trim().split("\n").map(Number) };
}

const targetOf = ({ hubUrl }: Installation, caPem: string): Target => ({ hubUrl, caPem });

const Secret = z.object({ data: z.object({ "tls.crt": z.string() }) });

async function caOf({ server }: Installation): Promise<string> {
  const path = `/api/v1/namespaces/${system}/secrets/whatsapp-operator-hub-ca`;
  const { data } = Secret.parse(await server.transport.call({ method: "GET", path }));
  return Buffer.from(data["tls.crt"], "base64").toString("utf8");
}

/** Session pods that the operator has made and recorded, with a device each. Nobody runs them: their tokens are all that is needed. */
async function recordedPods({ server, namespace }: Installation, count: number): Promise<readonly TokenOfPod[]> {
  const { transport } = server;
  const shop = new Shop(transport, namespace);
  const members = Array.from({ length: count }, (_none, place) => ({
    name: `px-${place}`,
    proxy: { protocol: "socks5", host: "192.0.2.7", port: 1_080 + place },
    capacity: { maxSessions: 1 },
  }));
  await shop.applyPool({ members });
  for (let place = 0; place < count; place++) await shop.applyDevice(`device-${place}`);
  for (;;) {
    const owned = (await Promise.all(members.map(async (_none, place) => await shop.device(`device-${place}`))))
      .map(({ status }) => status.assignment)
      .filter((assignment) => assignment !== undefined && assignment.podUID !== "");
    if (owned.length === count)
      return await Promise.all(
        owned.map(async (assignment, place) => {
          const pod = { namespace, name: assignment?.pod ?? "", uid: assignment?.podUID ?? "" };
          return { ...pod, token: await podToken(transport, pod), address: `127.0.2.${place + 1}` };
        }),
      );
    await delay(200);
  }
}

const Uid = z.object({ metadata: z.object({ uid: z.string() }) });

async function foreignPods({ server }: Installation): Promise<readonly TokenOfPod[]> {
  const { transport } = server;
  const namespace = await server.createNamespace();
  return await Promise.all(
    Array.from({ length: foreigners }, async (_none, place) => {
      const name = `stranger-${place}`;
      const body = { metadata: { name, namespace }, spec: { containers: [{ name: "x", image: "x" }] } };
      const path = `/api/v1/namespaces/${namespace}/pods`;
      const { metadata } = Uid.parse(await transport.call({ method: "POST", path, body }));
      const pod = { namespace, name, uid: metadata.uid };
      return { ...pod, token: await podToken(transport, pod), address: `127.0.3.${place + 1}` };
    }),
  );
}

const LeaseList = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string() }),
      spec: z.object({ holderIdentity: z.string().optional(), leaseTransitions: z.number().optional() }).prefault({}),
    }),
  ),
});

/** Who holds the Lease, and its count of transitions. */
async function leaderOf({ server }: Installation): Promise<string> {
  const path = `/apis/coordination.k8s.io/v1/namespaces/${system}/leases`;
  const { items } = LeaseList.parse(await server.transport.call({ method: "GET", path }));
  const held = items.filter(({ spec }) => spec.holderIdentity !== undefined);
  return JSON.stringify(held.map(({ spec }) => spec));
}

async function turnsSince(file: string, fromMs: number): Promise<readonly number[]> {
  const lines = (await readFile(file, "utf8")).trim().split("\n");
  return lines
    .map((line) => line.split(" ").map(Number))
    .filter(([atMs = 0]) => atMs > fromMs)
    .map(([, longestMs = 0]) => longestMs);
}
