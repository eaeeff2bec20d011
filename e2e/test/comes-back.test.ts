import { beforeAll, expect, it } from "vitest";
import { killContainer } from "../src/node.ts";
import { askedForQr, brokenSince, loginsOf, mark, type Mark } from "../src/reconnects.ts";
import { until } from "../src/shell.ts";
import { tell } from "./story.ts";

/** A device that was linked once comes back connected without another QR, whatever happens to what runs it. */
const story = tell("comes-back");
const phone = story.phone();
let source: string;

beforeAll(async () => {
  const { namespace, proxyMember, echoes } = story;
  source = await story.proxyAddress(2);
  await namespace.applyPool({ egressIPEndpoints: echoes, members: [proxyMember(2)] });
  await namespace.applyDevice("ann");
  await namespace.link("ann", phone);
});

const loginsNow = async () => await loginsOf(story.simulator, phone);

/** Logged in once more by the server's count, Ready for a pipeline, and no registration from its address. */
async function cameBack(before: Mark): Promise<void> {
  const { namespace, simulator } = story;
  const logins = before.logins.get(phone) ?? 0;
  await until("another login", async () => ((await loginsNow()) > logins ? true : undefined));
  await namespace.ready("ann");
  expect(await loginsNow(), "one login is enough").toBe(logins + 1);
  expect(await askedForQr(simulator, before)).toEqual([]);
  const { devices } = await simulator.stats(phone);
  expect(devices[`${phone}:1`]).toMatchObject({ isLinked: true, socketsNow: 1, framesFromOldSocket: 0 });
}

it("stays where it is while nothing happens, and the same judge sees a reconnect that somebody causes", async () => {
  const { simulator, namespace } = story;
  const before = await mark(simulator, source, [phone]);
  await namespace.patchDevice("ann", { metadata: { labels: { team: "support" } } });
  expect(await brokenSince(simulator, before)).toEqual([]);
  await simulator.setScenarioOf(phone, { rules: [{ stage: "iq", times: 1, action: { kind: "close" } }] });
  await cameBack(before);
  await simulator.clearScenario(phone);
  expect(await brokenSince(simulator, before)).toHaveLength(1);
});

it("the judge of QRs sees one that a device asks for", async () => {
  const { simulator, namespace } = story;
  const before = await mark(simulator, source, []);
  await namespace.applyDevice("unlinked");
  await namespace.qrOf("unlinked");
  expect(await askedForQr(simulator, before)).toHaveLength(1);
  await namespace.deleteDevice("unlinked");
});

it("its session container is killed", async () => {
  const before = await mark(story.simulator, source, [phone]);
  const pod = await story.namespace.oneSessionPod();
  await killContainer(pod);
  await cameBack(before);
  const after = await story.namespace.oneSessionPod();
  expect(after.metadata.uid, "the same pod").toBe(pod.metadata.uid);
  expect(after.status.containerStatuses[0]?.restartCount).toBe(1);
});

it("its session pod is deleted", async () => {
  const before = await mark(story.simulator, source, [phone]);
  const pod = await story.namespace.oneSessionPod();
  await story.namespace.deletePod(pod.metadata.name);
  await cameBack(before);
  expect((await story.namespace.oneSessionPod()).metadata.uid).not.toBe(pod.metadata.uid);
});

it("it is suspended, and resumed", async () => {
  const { namespace, simulator } = story;
  const before = await mark(simulator, source, [phone]);
  await namespace.patchDevice("ann", { spec: { suspend: true } });
  await namespace.phaseIs("ann", "Suspended");
  expect((await simulator.stats(phone)).devices[`${phone}:1`]?.socketsNow).toBe(0);
  await namespace.patchDevice("ann", { spec: { suspend: false } });
  await cameBack(before);
});

it("it is deleted with Retain, and applied again", async () => {
  const { namespace, simulator } = story;
  const before = await mark(simulator, source, [phone]);
  await namespace.deleteDevice("ann");
  await until("its socket to close", async () =>
    (await simulator.stats(phone)).devices[`${phone}:1`]?.socketsNow === 0 ? true : undefined,
  );
  await namespace.applyDevice("ann");
  await cameBack(before);
});
