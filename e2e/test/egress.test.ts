import { afterAll, beforeAll, expect, it } from "vitest";
import { killContainer, PacketCounters } from "../src/node.ts";
import { addressOf } from "../src/outside.ts";
import { loginsOf } from "../src/reconnects.ts";
import { until } from "../src/shell.ts";
import { tell } from "./story.ts";

/** Packets on the node tell where a pod's traffic goes: nothing that the pod itself says about it counts here. */
const story = tell("egress");
const ways = { node: story.phone(), proxy: story.phone() };
const counters = new Map<string, PacketCounters>();
const serviceNetwork = "10.96.0.0/12";

beforeAll(async () => {
  const { namespace, proxyMember, echoes } = story;
  const node = { name: "node-a", labels: { way: "node" }, nodePool: { nodeSelector: { egress: "a" } } };
  await namespace.applyPool({ egressIPEndpoints: echoes, members: [node, proxyMember(1)] });
  for (const [way, phone] of Object.entries(ways)) {
    await namespace.applyDevice(way, { egress: { pool: "eu", selector: { matchLabels: { way } } } });
    await namespace.link(way, phone);
    await count(way, phone);
  }
});
afterAll(async () => {
  for (const each of counters.values()) await each[Symbol.asyncDispose]();
});

/** Counts from the device's pod on; its container then starts anew inside, so every packet of a start is counted. */
async function count(way: string, phone: string): Promise<void> {
  const pod = await story.namespace.podOf(way);
  if (pod.status.podIP === undefined) throw new Error(`${pod.metadata.name} has no address`);
  const from = ["-s", pod.status.podIP];
  const dns = (protocol: string) => [...from, "-p", protocol, "--dport", "53"];
  const each = new PacketCounters(pod.spec.nodeName);
  counters.set(way, each);
  await each.add(`${way}-simulator`, [...from, "-d", await addressOf("wa-test-simulator")]);
  await each.add(`${way}-proxy`, [...from, "-d", await story.proxyAddress(1)]);
  await each.add(`${way}-dns-udp`, [...dns("udp"), "!", "-d", serviceNetwork]);
  await each.add(`${way}-dns-tcp`, [...dns("tcp"), "!", "-d", serviceNetwork]);
  await each.add(`${way}-asks-name`, [...dns("udp"), "-m", "string", "--algo", "bm", "--string", "simulator"]);
  await killContainer(pod);
  await until("another login", async () => ((await loginsOf(story.simulator, phone)) === 2 ? true : undefined));
}

const counted = async (way: string, name: string) => (await counters.get(way)?.count(`${way}-${name}`)) ?? Number.NaN;

it("a session behind a proxy sends nothing past it: no packet to WhatsApp, none to a public DNS, no lookup of its name", async () => {
  expect(await counted("proxy", "proxy")).toBeGreaterThan(0);
  for (const name of ["simulator", "dns-udp", "dns-tcp", "asks-name"])
    expect(await counted("proxy", name), name).toBe(0);
});

it("the same counters see the packets of a session that leaves by its node", async () => {
  expect(await counted("node", "simulator")).toBeGreaterThan(0);
  expect(await counted("node", "asks-name")).toBeGreaterThan(0);
  expect(await counted("node", "proxy")).toBe(0);
});
