import { expect, it } from "vitest";
import { killContainer } from "../src/node.ts";
import { askedForQr, mark } from "../src/reconnects.ts";
import { until } from "../src/shell.ts";
import { tell } from "./story.ts";

const story = tell("fleet");
const names = Array.from({ length: 20 }, (_, index) => `device-${index}`);
const phones = new Map(names.map((name) => [name, story.phone()]));

it("runs twenty devices in one pod, and brings them all back when its container is killed", async () => {
  const { namespace, simulator, proxyMember, echoes } = story;
  const source = await story.proxyAddress(4);
  await namespace.applyPool({
    egressIPEndpoints: echoes,
    sessionPods: { maxDevicesPerPod: 20 },
    members: [proxyMember(4, { capacity: { maxSessions: 20 } })],
  });
  await namespace.applyDevices(names);
  for (const [name, phone] of phones) await simulator.scan(phone, await namespace.qrOf(name));
  await namespace.ready(...names);
  const pod = await namespace.oneSessionPod();
  const before = await mark(simulator, source, [...phones.values()]);
  expect([...before.logins.values()]).toEqual(names.map(() => 1));
  await killContainer(pod);
  await until("all twenty to log in again", async () => {
    const { logins } = await mark(simulator, source, [...phones.values()]);
    return [...logins.values()].every((count) => count === 2) ? true : undefined;
  });
  await namespace.ready(...names);
  expect(await askedForQr(simulator, before)).toEqual([]);
  expect((await namespace.oneSessionPod()).metadata.uid).toBe(pod.metadata.uid);
});
