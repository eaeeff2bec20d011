import { setTimeout as delay } from "node:timers/promises";
import { pino } from "pino";
import { Registry } from "prom-client";
import { afterAll, beforeAll, expect, it } from "vitest";
import { loadClusterAccess } from "../src/kube/kubeconfig.ts";
import { createKubeMetrics } from "../src/kube/metrics.ts";
import { connectTransport, type Transport } from "../src/kube/transport.ts";
import { startApiServer, type ApiServer } from "./api-server.ts";
import { ChurnReader } from "./churn-reader.ts";
import { subjects } from "./churn-subjects.ts";
import { ChurnWriter } from "./churn-writer.ts";
import { eventually } from "./eventually.ts";
import { startFaultProxy, type FaultProxy } from "./fault-proxy.ts";
import { randomFaults } from "./random-faults.ts";
import { busiestSecond, countsBy, tooSoon } from "./served.ts";
import { truth } from "./told.ts";

/**
 * Informers, queues and workers of the operator's kinds behind a path that does everything a path can do, while all their
 * objects change. An auditor lists past it.
 */
const churnMs = Number(process.env["CHURN_MINUTES"] ?? 1.5) * 60_000;
/** Repeats the choice of faults and changes, though not their timing. */
const seed = Number(process.env["CHURN_SEED"] ?? Date.now() % 2 ** 31);
const roundMs = 12_000;
const restMs = 8_000;
/** A list that is never answered takes 20 s; two in a row and a backoff. */
const stalestMs = 60_000;
const faults = randomFaults(seed, { List: 0.4, Watch: 0.85, Get: 0, Write: 0 }, 12);

let server: ApiServer;
let proxy: FaultProxy;
let transport: Transport;
let readers: readonly ChurnReader[];
let writer: ChurnWriter;
const logger = pino({ level: process.env["TEST_LOG"] ?? "silent" });
const metrics = createKubeMetrics(new Registry());

beforeAll(async () => {
  server = await startApiServer();
  await server.applyCrds();
  const namespaces = await Promise.all([1, 2, 3].map(async () => await server.createNamespace()));
  const access = await loadClusterAccess(server.kubeconfig);
  proxy = await startFaultProxy(access);
  transport = connectTransport({ ...access, server: proxy.url }, metrics);
  proxy.setPlan(faults);
  const quiet = pino({ level: "silent" });
  readers = subjects.map((subject) => new ChurnReader(transport, subject, metrics, quiet));
  writer = new ChurnWriter(server.transport, subjects, namespaces, seed);
});
afterAll(async () => {
  await writer[Symbol.asyncDispose]();
  for (const reader of readers) await reader[Symbol.asyncDispose]();
  await transport.close();
  await proxy[Symbol.asyncDispose]();
  await server.stop();
});

/** While nothing is written, everything that was written has arrived. */
async function audit(): Promise<void> {
  for (const reader of readers) {
    const { kind, selection } = reader.subject;
    const wanted = await truth(server.transport, kind, selection);
    await eventually(() => {
      expect(reader.views(wanted), `${kind.plural}, seed ${seed}`).toEqual({
        mirrored: wanted,
        told: wanted,
        seen: wanted,
      });
    }, stalestMs);
    expect(reader.told.contradictions).toEqual([]);
    expect(reader.overlaps).toEqual([]);
  }
}

/** Nobody hears anything, and what was missed is no longer there to be sent again. */
async function loseThePast(): Promise<void> {
  const before = proxy.expired;
  proxy.setPlan(() => ({ kind: "ResetBeforeHeaders", isDone: false }));
  proxy.cut();
  await delay(3_000);
  await writer.pause();
  await server.compactEtcd();
  await server.restart();
  proxy.setPlan(undefined);
  await eventually(() => {
    expect(proxy.expired).toBeGreaterThan(before);
  });
  proxy.setPlan(faults);
  writer.resume();
}

it(
  "every change arrives through every fault, nothing twice, no two workers on a key, and no loop",
  async () => {
    const endMs = performance.now() + churnMs;
    for (let round = 0; performance.now() < endMs; round += 1) {
      await delay(Math.min(roundMs, Math.max(endMs - performance.now(), 0)));
      if (round % 4 === 0) await loseThePast();
      else await server.compactEtcd();
      await writer.pause();
      await audit();
      writer.resume();
    }
    await writer.pause();
    proxy.setPlan(undefined);
    await audit();
    expect(tooSoon(proxy.served)).toEqual([]);
    // A list is tried again after 100, 200, 400 ms; a stream that ended in order is opened again at once.
    expect(busiestSecond(proxy.served)).toBeLessThan(15);
    report();
  },
  churnMs + 300_000,
);

it("at rest no list is repeated, nothing is told and nobody works", async () => {
  // Streams that were opened under a fault have it still.
  proxy.cut();
  await delay(3_000);
  const visits = () => readers.map(({ told, visits: count }) => [told.count, count]);
  const [first, before] = [proxy.served.length, visits()];
  await delay(restMs);
  const atRest = proxy.served.slice(first);
  const [watches, looks] = ["Watch", "Get"].map((asked) => atRest.filter(({ kind }) => kind === asked).length);
  // A watch that goes on asks once whether the server's history is still the one that it knows.
  expect(looks).toBeLessThanOrEqual(watches ?? 0);
  expect(atRest.filter(({ kind }) => kind !== "Watch" && kind !== "Get")).toEqual([]);
  expect(visits()).toEqual(before);
});

function report(): void {
  const sum = (of: (reader: ChurnReader) => number) => readers.reduce((all, reader) => all + of(reader), 0);
  logger.info(
    {
      seed,
      minutes: churnMs / 60_000,
      written: writer.written,
      ...countsBy(proxy.served),
      expired: proxy.expired,
      busiestSecond: busiestSecond(proxy.served),
      told: sum(({ told }) => told.count),
      visits: sum(({ visits }) => visits),
      failures: sum(({ failures }) => failures),
    },
    "churn",
  );
}
