import { Registry } from "prom-client";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createKubeMetrics } from "./metrics.ts";
import { WorkQueue } from "./queue.ts";

let registry: Registry;
let queue: WorkQueue;
beforeEach(() => {
  vi.useFakeTimers();
  registry = new Registry();
  queue = new WorkQueue({ name: "device", metrics: createKubeMetrics(registry) });
});
afterEach(() => {
  queue.close();
  vi.useRealTimers();
});

it("gives a waiting worker the key as soon as it is added", async () => {
  const taken = queue.take();
  queue.add("a");
  expect(await taken).toBe("a");
});

it("never gives a key to two workers at once", async () => {
  queue.add("a");
  expect(await queue.take()).toBe("a");
  queue.add("a");
  const second = vi.fn<(key: string | undefined) => void>();
  void queue.take().then(second);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(second).not.toHaveBeenCalled();
  queue.done("a");
  await vi.advanceTimersByTimeAsync(0);
  expect(second).toHaveBeenCalledWith("a");
});

it("waits 5 ms after the first failure, doubles up to 5 minutes, and starts anew after a success", async () => {
  const waits: number[] = [];
  for (let failure = 0; failure < 20; failure += 1) {
    const startMs = performance.now();
    queue.addAfterFailure("a");
    const taken = queue.take();
    await vi.advanceTimersToNextTimerAsync();
    queue.done((await taken) ?? "");
    waits.push(Math.round(performance.now() - startMs));
  }
  expect(waits.slice(0, 5)).toEqual([5, 10, 20, 40, 80]);
  expect(waits.at(-1)).toBe(300_000);
  expect(queue.failures("a")).toBe(20);
  queue.forget("a");
  queue.addAfterFailure("a");
  const taken = queue.take();
  await vi.advanceTimersByTimeAsync(5);
  expect(await taken).toBe("a");
});

it("keeps the earliest of several delays", async () => {
  queue.addAfter("a", 10_000);
  queue.addAfter("a", 1_000);
  queue.addAfter("a", 5_000);
  const taken = queue.take();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await taken).toBe("a");
});

it("ends its workers when it is closed, and takes nothing more", async () => {
  const waiting = queue.take();
  queue.close();
  queue.add("late");
  expect(await waiting).toBeUndefined();
  expect(await queue.take()).toBeUndefined();
});

it("counts with the names of controller-runtime", async () => {
  queue.add("a");
  queue.add("b");
  queue.add("a");
  await queue.take();
  vi.advanceTimersByTime(3_000);
  const text = await registry.metrics();
  expect(text).toContain('workqueue_adds_total{name="device",controller="device"} 2');
  expect(text).toContain('workqueue_depth{name="device",controller="device"} 1');
  expect(text).toContain('workqueue_longest_running_processor_seconds{name="device",controller="device"} 3');
  expect(text).toContain('workqueue_queue_duration_seconds_count{name="device",controller="device"} 1');
});
