import { setTimeout as delay } from "node:timers/promises";
import { beforeAll, expect, it } from "vitest";
import { askedForQr, mark } from "../src/reconnects.ts";
import { tell } from "./story.ts";

/** Devices that must not be tried again and again: nobody scans them, or nothing that we do can help. */
const story = tell("at-rest");
/** Longer than every backoff's first steps. */
const lookMs = 10_000;
let source: string;

beforeAll(async () => {
  source = await story.proxyAddress(3);
  await story.namespace.applyPool({ egressIPEndpoints: story.echoes, members: [story.proxyMember(3)] });
});

it("a QR that nobody scans hibernates, and opens again when the annotation asks for it", async () => {
  const { namespace, simulator } = story;
  await namespace.applyDevice("dora", { pairing: { window: "20s" } });
  const first = await namespace.qrOf("dora");
  await namespace.phaseIs("dora", "Hibernated");
  const before = await mark(simulator, source, []);
  await delay(lookMs);
  expect(await askedForQr(simulator, before)).toEqual([]);
  const annotations = { "whatsapp-operator.io/pair-requested-at": new Date().toISOString() };
  await namespace.patchDevice("dora", { metadata: { annotations } });
  expect(await namespace.qrOf("dora")).not.toBe(first);
  await namespace.link("dora", story.phone());
});

it("a client version that WhatsApp refuses ends in its cause with advice, and in no loop", async () => {
  const { namespace, simulator } = story;
  await simulator.setScenario({ minimumVersion: "2.3000.0" });
  await namespace.applyDevice("eve", { client: { version: "2.2413.1" } });
  const { status } = await namespace.phaseIs("eve", "Blocked");
  expect(status.lastDisconnect).toMatchObject({ cause: "ClientOutdated", statusCode: 405 });
  expect(status.lastDisconnect?.advice).toContain("spec.client.version");
  const before = await mark(simulator, source, []);
  await delay(lookMs);
  expect(await askedForQr(simulator, before)).toEqual([]);
  await namespace.patchDevice("eve", { spec: { client: { version: "2.3000.1043857760" } } });
  await namespace.link("eve", story.phone());
});
