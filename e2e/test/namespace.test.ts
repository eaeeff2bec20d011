import { setTimeout as delay } from "node:timers/promises";
import { beforeAll, expect, it } from "vitest";
import { kubectl } from "../src/kubectl.ts";
import { askedForQr, brokenSince, mark } from "../src/reconnects.ts";
import { until } from "../src/shell.ts";
import { tell } from "./story.ts";

/** Acts of a platform team inside one namespace. */
const story = tell("namespace");
const [ann, leaver] = [story.phone(), story.phone()];
let source: string;

beforeAll(async () => {
  source = await story.proxyAddress(8);
});

async function setUp(): Promise<void> {
  const { namespace, proxyMember, echoes } = story;
  await namespace.applyPool({ egressIPEndpoints: echoes, members: [proxyMember(8)] });
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
