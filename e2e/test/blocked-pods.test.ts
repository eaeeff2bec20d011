import { setTimeout as delay } from "node:timers/promises";
import { beforeAll, expect, it } from "vitest";
import { apply, kubectl } from "../src/kubectl.ts";
import { askedForQr, mark } from "../src/reconnects.ts";
import { until } from "../src/shell.ts";
import { tell } from "./story.ts";

/** Session pods that the namespace has no room or no name for. */
const story = tell("pods");
const ann = story.phone();
let source: string;

beforeAll(async () => {
  const { namespace, proxyMember, echoes } = story;
  source = await story.proxyAddress(9);
  await namespace.applyPool({ egressIPEndpoints: echoes, members: [proxyMember(9)] });
  await namespace.applyDevice("ann");
  await namespace.link("ann", ann);
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
  const other = await mark(simulator, await story.proxyAddress(10), []);
  const image = "--image=whatsapp-session-pod:dev";
  await kubectl("run", "other-proxy-10-0", "-n", namespace.name, image, "--command", "--", "sleep", "600");
  await namespace.applyPool({ egressIPEndpoints: echoes, members: [proxyMember(10)] }, "other");
  await namespace.applyDevice("bea", { egress: { pool: "other" } });
  expect(await namespace.conditionSays("bea", "Ready", /PodNameTaken/)).toContain("other-proxy-10-0");
  await delay(5_000);
  expect(await askedForQr(simulator, other), "nothing leaves by it").toEqual([]);
  await kubectl("delete", "pod", "other-proxy-10-0", "-n", namespace.name, "--grace-period=1");
  await namespace.qrOf("bea");
});
