import { beforeAll, expect, inject, it } from "vitest";
import { kubectl } from "../src/kubectl.ts";
import { askedForQr, mark, type Mark } from "../src/reconnects.ts";
import { install, uninstall } from "../src/release.ts";
import { until } from "../src/shell.ts";
import { tell } from "../test/story.ts";

/** The whole installation is taken away and brought back: whoever was linked is connected again without a QR. */
const story = tell("installation");
const phones = { ann: story.phone(), leaver: story.phone() };
let source: string;

async function setUp(): Promise<void> {
  const { namespace, proxyMember, echoes } = story;
  await namespace.applyPool({ egressIPEndpoints: echoes, members: [proxyMember(2)] });
  await namespace.applyDevice("ann");
  await namespace.applyDevice("leaver", { deletionPolicy: "Logout" });
}

const installAgain = async () => await install(`${inject("place")}-simulator`, story.simulator);

async function connectedAgain(before: Mark): Promise<void> {
  await story.namespace.ready("ann", "leaver");
  expect(await askedForQr(story.simulator, before)).toEqual([]);
  for (const phone of Object.values(phones)) {
    const { removed, devices } = await story.simulator.stats(phone);
    expect(removed, "nothing was unlinked").toEqual([]);
    expect(devices[`${phone}:1`]).toMatchObject({ socketsNow: 1, framesFromOldSocket: 0 });
  }
}

beforeAll(async () => {
  source = await story.proxyAddress(2);
  await setUp();
  for (const [name, phone] of Object.entries(phones)) await story.namespace.link(name, phone);
});

it("its CRDs are deleted: they go, with every device, and nothing is unlinked", async () => {
  const before = await mark(story.simulator, source, Object.values(phones));
  const crds = ["whatsappdevices", "egresspools", "egressendpoints"].map((name) => `${name}.whatsapp-operator.io`);
  await kubectl("delete", "crd", ...crds, "--timeout=120s");
  await installAgain();
  await setUp();
  await connectedAgain(before);
});

it("its chart is uninstalled and installed again: devices stay objects, and connect again", async () => {
  const before = await mark(story.simulator, source, Object.values(phones));
  await uninstall();
  expect((await story.namespace.devices()).map(({ metadata }) => metadata.name).toSorted()).toEqual(["ann", "leaver"]);
  await story.namespace.conditionSays("ann", "Ready", /Uninstalled/);
  await until("no session to run", async () => ((await story.namespace.allPods()).length === 0 ? true : undefined));
  await installAgain();
  await connectedAgain(before);
});

it("a namespace is deleted while there is no operator: nothing hangs", async () => {
  await uninstall();
  await story.namespace.recreate();
  await installAgain();
  for (const phone of Object.values(phones)) expect((await story.simulator.stats(phone)).removed).toEqual([]);
});
