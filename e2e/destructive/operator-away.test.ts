import { setTimeout as delay } from "node:timers/promises";
import { beforeAll, expect, it } from "vitest";
import { kubectl } from "../src/kubectl.ts";
import { killContainer, podOf } from "../src/node.ts";
import { askedForQr, mark, reconnected } from "../src/reconnects.ts";
import { deployment, leader, system } from "../src/release.ts";
import { until } from "../src/shell.ts";
import { tell } from "../test/story.ts";

/** Connected sessions notice nothing of what happens to the operator. */
const story = tell("operator-away");
const phones = [story.phone(), story.phone()] as const;
let source: string;

beforeAll(async () => {
  const { namespace, proxyMember, echoes } = story;
  source = await story.proxyAddress(2);
  // One device a pod, so that one container can die while the other session is watched.
  await namespace.applyPool({
    egressIPEndpoints: echoes,
    sessionPods: { maxDevicesPerPod: 1 },
    members: [proxyMember(2)],
  });
  for (const [index, phone] of phones.entries()) {
    await namespace.applyDevice(`device-${index}`);
    await namespace.link(`device-${index}`, phone);
  }
});

const aLeader = async () => await until("a leader", async () => (await leader()) || undefined);

/** The operator does its work again: a device that is applied now shows a QR. */
async function works(name: string): Promise<void> {
  await story.namespace.applyDevice(name);
  await story.namespace.qrOf(name);
  await story.namespace.deleteDevice(name);
}

it("the leader's container crashes: its pod keeps the leader's label, and no session reconnects", async () => {
  const before = await mark(story.simulator, source, phones);
  const name = await aLeader();
  await killContainer(await podOf(system, name));
  await until("its container to run again", async () =>
    (await podOf(system, name)).status.containerStatuses[0]?.restartCount === 1 ? true : undefined,
  );
  await aLeader();
  await works("after-crash");
  expect(await reconnected(story.simulator, before)).toEqual([]);
});

it("the leader's pod is deleted: no session reconnects", async () => {
  const before = await mark(story.simulator, source, phones);
  await kubectl("delete", "pod", await aLeader(), "-n", system, "--wait=false");
  await works("after-deletion");
  expect(await reconnected(story.simulator, before)).toEqual([]);
});

it("both replicas are gone for a minute: no session reconnects, and a container that dies meanwhile comes back by itself", async () => {
  const { simulator, namespace } = story;
  const before = await mark(simulator, source, phones);
  const pod = await namespace.podOf("device-1");
  const untouched = await namespace.podOf("device-0");
  await kubectl("scale", deployment, "-n", system, "--replicas=0");
  await until("no leader", async () => ((await leader()) === "" ? true : undefined));
  const goneMs = performance.now();
  await killContainer(pod);
  await until("the second device to log in again", async () => {
    const now = (await mark(simulator, source, phones)).logins.get(phones[1]);
    return now === (before.logins.get(phones[1]) ?? 0) + 1 ? true : undefined;
  });
  await delay(Math.max(0, 60_000 - (performance.now() - goneMs)));
  await kubectl("scale", deployment, "-n", system, "--replicas=2");
  await aLeader();
  await namespace.ready("device-0", "device-1");
  expect(await askedForQr(simulator, before)).toEqual([]);
  const after = await mark(simulator, source, phones);
  expect(after.logins.get(phones[0]), "the untouched session").toBe(before.logins.get(phones[0]));
  expect((await namespace.podOf("device-0")).metadata.uid).toBe(untouched.metadata.uid);
  await works("after-absence");
});
