import { setTimeout as delay } from "node:timers/promises";
import { beforeAll, expect, it } from "vitest";
import { kubectl } from "../src/kubectl.ts";
import { askedForQr, brokenSince, loginsOf, mark, type Mark } from "../src/reconnects.ts";
import { sh, until } from "../src/shell.ts";
import { tell } from "../test/story.ts";

/** What a cluster's administrators do to nodes. */
const story = tell("nodes");
const phone = story.phone();
const nodes = { "node-b": "wa-test-worker2", "node-c": "wa-test-worker3" } as const;
let addresses: readonly string[];

beforeAll(async () => {
  const { namespace, echoes } = story;
  addresses = await Promise.all(Object.values(nodes).map(story.nodeAddress));
  const members = Object.keys(nodes).map((name) => ({ name, nodePool: { nodeSelector: { egress: name.slice(-1) } } }));
  await namespace.applyPool({ egressIPEndpoints: echoes, members });
  await namespace.applyDevice("ann");
  await namespace.link("ann", phone);
});

/** Both nodes' addresses: a QR asked for by either is one too many. */
const marks = async () => await Promise.all(addresses.map((each) => mark(story.simulator, each, [phone])));
const loginsNow = async () => await loginsOf(story.simulator, phone);

async function cameBack(before: readonly Mark[], logins: number): Promise<void> {
  await until("another login", async () => ((await loginsNow()) > logins ? true : undefined));
  await story.namespace.ready("ann");
  for (const each of before) expect(await askedForQr(story.simulator, each)).toEqual([]);
  const { devices } = await story.simulator.stats(phone);
  expect(devices[`${phone}:1`]).toMatchObject({ isLinked: true, socketsNow: 1, framesFromOldSocket: 0 });
}

it("a node that is cordoned keeps its session", async () => {
  const before = await marks();
  const { nodeName } = (await story.namespace.podOf("ann")).spec;
  await kubectl("cordon", nodeName);
  // Whoever acts upon it had the time to.
  await delay(10_000);
  await story.namespace.patchDevice("ann", { metadata: { labels: { seen: "cordon" } } });
  for (const each of before) expect(await brokenSince(story.simulator, each)).toEqual([]);
  await kubectl("uncordon", nodeName);
});

it("a pod that is evicted comes back connected, without a QR", async () => {
  const [before, logins] = [await marks(), await loginsNow()];
  const { name } = (await story.namespace.podOf("ann")).metadata;
  const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name, namespace: story.namespace.name } };
  const path = `/api/v1/namespaces/${story.namespace.name}/pods/${name}/eviction`;
  await sh("kubectl", ["create", "--raw", path, "-f", "-"], JSON.stringify(eviction));
  await cameBack(before, logins);
});

it("a node whose object is deleted: its device moves to the other node, without a QR, and is never there twice", async () => {
  const [before, logins] = [await marks(), await loginsNow()];
  const { nodeName } = (await story.namespace.podOf("ann")).spec;
  const { metadata, spec } = JSON.parse(await kubectl("get", "node", nodeName, "-o", "json"));
  await kubectl("delete", "node", nodeName);
  try {
    await cameBack(before, logins);
    expect((await story.namespace.podOf("ann")).spec.nodeName).not.toBe(nodeName);
    const other = Object.values(nodes).find((each) => each !== nodeName) ?? "";
    const { status } = await story.namespace.device("ann");
    expect(status.connection?.observedIP).toBe(await story.nodeAddress(other));
  } finally {
    // The kubelet goes on reporting once an object of its name is there, with the subnet that its network was made for.
    const { name, labels, annotations } = metadata;
    const node = { apiVersion: "v1", kind: "Node", metadata: { name, labels, annotations }, spec };
    await sh("kubectl", ["create", "-f", "-"], JSON.stringify(node));
    await kubectl("wait", "--for=condition=Ready", "node", nodeName, "--timeout=120s");
  }
});
