import { expect, it } from "vitest";
import { kubectl } from "../src/kubectl.ts";
import { leader, system } from "../src/release.ts";
import { until } from "../src/shell.ts";
import { mostWithin } from "../src/starts.ts";
import { tell } from "./story.ts";

const story = tell("budget");
const names = Array.from({ length: 20 }, (_, index) => `device-${String(index).padStart(2, "0")}`);
const limit = { count: 5, periodMs: 6_000 };

/** When each start left this story's own proxy, by the server's clock. */
async function startsMs(source: string): Promise<readonly number[]> {
  return ((await story.simulator.stats()).starts[source] ?? []).map(({ time }) => Date.parse(time));
}

it("twenty devices share an address: leaders that die in the middle of the queue never let one start too many", async () => {
  const { namespace, proxyMember, echoes } = story;
  const source = await story.proxyAddress(5);
  await namespace.applyPool({
    egressIPEndpoints: echoes,
    startLimits: { registration: { count: limit.count, period: `${limit.periodMs / 1_000}s` } },
    sessionPods: { maxDevicesPerPod: 20 },
    members: [proxyMember(5, { capacity: { maxSessions: 20 } })],
  });
  await namespace.applyDevices(names);
  for (const started of [3, 8]) {
    await until(`${started} starts`, async () => ((await startsMs(source)).length >= started ? true : undefined));
    const name = await until("a leader", async () => (await leader()) || undefined);
    await kubectl("delete", "pod", name, "-n", system, "--grace-period=0", "--force", "--wait=false");
  }
  await until("all twenty starts", async () => ((await startsMs(source)).length >= names.length ? true : undefined));
  const timesMs = await startsMs(source);
  expect(mostWithin(timesMs, limit.periodMs)).toBeLessThanOrEqual(limit.count);
  expect(mostWithin(timesMs, limit.periodMs), "the budget is used, too").toBeGreaterThan(1);
  expect(timesMs, "and nobody started twice").toHaveLength(names.length);
});
