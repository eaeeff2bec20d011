import { setTimeout as delay } from "node:timers/promises";
import { beforeAll, expect, it } from "vitest";
import { apply, kubectl } from "../src/kubectl.ts";
import { askedForQr, brokenSince, mark } from "../src/reconnects.ts";
import { until } from "../src/shell.ts";
import { tell } from "../test/story.ts";

/** Acts of a platform team inside one namespace. */
const story = tell("namespace");
const [ann, leaver] = [story.phone(), story.phone()];
let source: string;

beforeAll(async () => {
  source = await story.proxyAddress(2);
});

async function setUp(): Promise<void> {
  const { namespace, proxyMember, echoes } = story;
  await namespace.applyPool({ egressIPEndpoints: echoes, members: [proxyMember(2)] });
  await namespace.applyDevice("ann");
}

it("a namespace deleted and made again: nothing is unlinked, nothing hangs, and its device is connected without a QR", async () => {
  const { namespace, simulator } = story;
  await setUp();
  await namespace.link("ann", ann);
  await namespace.applyDevice("leaver", { deletionPolicy: "Logout" });
  await namespace.link("leaver", leaver);
  const before = await mark(simulator, source, [ann]);
  await namespace.recreate();
  for (const phone of [ann, leaver]) expect((await simulator.stats(phone)).removed, phone).toEqual([]);
  await setUp();
  await namespace.ready("ann");
  expect(await askedForQr(simulator, before)).toEqual([]);
});

it("a pool deleted in the foreground: it waits for its devices, says so, and is itself again when applied", async () => {
  const { namespace, simulator } = story;
  const before = await mark(simulator, source, [ann]);
  await kubectl("delete", "egresspool", "eu", "-n", namespace.name, "--cascade=foreground", "--wait=false");
  const ready = await until("the pool to say why it stays", async () =>
    (await namespace.pools())
      .flatMap(({ status }) => status.conditions)
      .find(({ type, reason }) => type === "Ready" && reason === "InUse"),
  );
  expect(ready.message).toContain("1 device uses it");
  // The garbage collector had its time to take what the pool owns.
  await delay(5_000);
  expect(await brokenSince(simulator, before)).toEqual([]);
  await namespace.deleteDevice("ann");
  await until("the pool to go", async () => ((await namespace.pools()).length === 0 ? true : undefined));
  await until("its endpoints to go", async () => ((await namespace.endpoints()).length === 0 ? true : undefined));
  await setUp();
  await namespace.ready("ann");
  expect(await askedForQr(simulator, before)).toEqual([]);
});

it("a quota that is used up: the device says so, and connects once there is room", async () => {
  const { namespace, simulator } = story;
  const before = await mark(simulator, source, [ann]);
  const quota = { apiVersion: "v1", kind: "ResourceQuota", metadata: { name: "none" }, spec: { hard: { pods: "0" } } };
  await apply(namespace.name, quota);
  await until("the quota to count", async () =>
    (await kubectl("get", "quota", "none", "-n", namespace.name, "-o", "jsonpath={.status.hard.pods}")) === "0"
      ? true
      : undefined,
  );
  await namespace.deletePod((await namespace.podOf("ann")).metadata.name);
  const message = await namespace.conditionSays("ann", "Ready", /quota/);
  expect(message).toContain("none");
  await kubectl("delete", "quota", "none", "-n", namespace.name);
  await namespace.ready("ann");
  expect(await askedForQr(simulator, before)).toEqual([]);
});

it("a foreign pod that stands under our pod's name is never adopted, is named as the cause, and is waited out", async () => {
  const { namespace, simulator, proxyMember, echoes } = story;
  const other = await mark(simulator, await story.proxyAddress(3), []);
  const image = "--image=whatsapp-session-pod:dev";
  await kubectl("run", "other-proxy-3-0", "-n", namespace.name, image, "--command", "--", "sleep", "600");
  await namespace.applyPool({ egressIPEndpoints: echoes, members: [proxyMember(3)] }, "other");
  await namespace.applyDevice("bea", { egress: { pool: "other" } });
  expect(await namespace.conditionSays("bea", "Ready", /PodNameTaken/)).toContain("other-proxy-3-0");
  await delay(5_000);
  expect(await askedForQr(simulator, other), "nothing leaves by it").toEqual([]);
  await kubectl("delete", "pod", "other-proxy-3-0", "-n", namespace.name, "--grace-period=1");
  await namespace.qrOf("bea");
});
