import { pino } from "pino";
import { Registry } from "prom-client";
import { expect, it, vi } from "vitest";
import { ApiError } from "./api-error.ts";
import { createKubeMetrics } from "./metrics.ts";
import { WorkQueue } from "./queue.ts";
import { startWorkers, type WorkersOptions } from "./workers.ts";

function workersOf(reconcile: WorkersOptions["reconcile"]) {
  const registry = new Registry();
  const metrics = createKubeMetrics(registry);
  const queue = new WorkQueue({ name: "device", metrics });
  const logger = pino({ level: "silent" });
  const workers = startWorkers({ controller: "device", queue, concurrency: 2, reconcile, metrics, logger });
  return { registry, queue, workers };
}

it("repeats a key until it succeeds, and tells conflicts from errors", async () => {
  const outcomes = [new Error("broken"), new ApiError(409, "Conflict", "stale"), undefined];
  const reconcile = vi.fn<WorkersOptions["reconcile"]>(async () => {
    const outcome = outcomes.shift();
    return outcome === undefined ? await Promise.resolve({}) : await Promise.reject(outcome);
  });
  const { registry, queue, workers } = workersOf(reconcile);
  queue.add("a");
  await vi.waitFor(() => {
    expect(reconcile).toHaveBeenCalledTimes(3);
  });
  await workers.stop();
  expect(queue.failures("a")).toBe(0);
  const text = await registry.metrics();
  expect(text).toContain('controller_runtime_reconcile_total{controller="device",result="requeue"} 1');
  expect(text).toContain('controller_runtime_reconcile_total{controller="device",result="success"} 1');
  expect(text).toContain('controller_runtime_reconcile_errors_total{controller="device"} 1');
});

it("looks again after the time that a reconcile asked for", async () => {
  const reconcile = vi.fn<WorkersOptions["reconcile"]>(async () => await Promise.resolve({ requeueAfterMs: 10 }));
  const { queue, workers } = workersOf(reconcile);
  queue.add("a");
  await vi.waitFor(() => {
    expect(reconcile.mock.calls.length).toBeGreaterThan(2);
  });
  await workers.stop();
});

it("waits at stop for the reconcile that runs", async () => {
  let isDone = false;
  const { queue, workers } = workersOf(async () => {
    await new Promise((resolve) => setTimeout(resolve, 50));
    isDone = true;
    return {};
  });
  queue.add("a");
  await new Promise((resolve) => setTimeout(resolve, 10));
  await workers.stop();
  expect(isDone).toBe(true);
});
