import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Condition } from "@wa/schema";
import { startSimulator, type Simulator } from "@wa/simulator";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { socksProxy, type ProxySeen, type TestServer } from "../../session-pod/test/egress-servers.ts";
import { conditionOf } from "../src/plan/set-conditions.ts";
import { freePort, startApiServer, type ApiServer } from "./api-server.ts";
import { login, rows, talker, waysThroughProxy, type Row } from "./bad-input-rows.ts";
import { Place } from "./bad-input.ts";
import { eventually } from "./eventually.ts";
import { OperatorProcess } from "./operator-process.ts";
import { caFile, operatorPod, seed, storeSecret, system } from "./seed.ts";

/**
 * What a user gets for input that the schema lets through and the cluster does not: the operator's process with its hub, session
 * pods as processes, a SOCKS5 server with a password. All of it stands broken at once, and is mended row by row.
 */
let server: ApiServer;
let simulator: Simulator;
let proxy: TestServer & ProxySeen;
let operator: OperatorProcess;
let folder: string;
let metricsUrl: string;
const places = new Map<string, Place>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wa-bad-input-"));
  simulator = await startSimulator({ tlsPort: 0 });
  proxy = await socksProxy({ ...login, upstreamPort: Number(new URL(simulator.wssUrl).port) });
  server = await startApiServer();
  await server.applyCrds();
  await seed(server, `sqlite://${join(folder, "store.sqlite")}`);
  const metricsPort = await freePort();
  metricsUrl = `http://127.0.0.1:${metricsPort}/metrics`;
  operator = new OperatorProcess({
    KUBECONFIG: server.kubeconfig,
    POD_NAME: operatorPod,
    POD_NAMESPACE: system,
    SESSION_IMAGE: "session:1",
    STORE_SECRET: storeSecret,
    HUB_PORT: String(await freePort()),
    METRICS_PORT: String(metricsPort),
    WHATSAPP_URL: simulator.wssUrl,
    WHATSAPP_ROOT_KEY: simulator.rootKeyHex,
    WHATSAPP_CA_FILE: await caFile(server, simulator.caPem),
  });
  await Promise.all(
    rows.map(async ({ name, pods, spoil }) => {
      const place = await Place.open(server, proxy.port);
      places.set(name, place);
      if (pods === "FromTheStart") place.runPods();
      await spoil(place);
    }),
  );
});
afterAll(async () => {
  await Promise.all([...places.values()].map(async (place) => await place[Symbol.asyncDispose]()));
  await operator[Symbol.asyncDispose]();
  await server.stop();
  await proxy.close();
  await simulator[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

function placeOf({ name }: Row): Place {
  const place = places.get(name);
  if (place === undefined) throw new Error(`no place for ${name}`);
  return place;
}

const readyOf = (object: { readonly status: { readonly conditions: readonly Condition[] } }) =>
  conditionOf(object.status, "Ready");

describe("what is wrong stands where its owner looks, by field and value", () => {
  it.each(rows)("$name: $reason", async (row) => {
    const { shop } = placeOf(row);
    const wanted = (reason: string, says: string) => ({
      status: "False",
      reason,
      message: expect.stringContaining(says),
    });
    await eventually(async () => {
      expect(readyOf(await shop.device("ann"))).toMatchObject(wanted(row.reason, row.says));
      for (const [kind, reason, says] of row.alsoAt)
        expect(readyOf(await (kind === "pool" ? shop.pool() : shop.endpoint()))).toMatchObject(wanted(reason, says));
      expect((await placeOf(row).warnings()).map(([what]) => what)).toEqual(row.warnings);
    }, 60_000);
    for (const [what, note] of await placeOf(row).warnings())
      if (what === `WhatsAppDevice/ann ${row.reason}`) expect(note).toContain(row.says);
  });
});

it("then all is quiet: nothing is written, hardly anything is looked at, no Event is added", async () => {
  const before = await seen();
  const quietMs = 6_000;
  await delay(quietMs);
  const after = await seen();
  expect(after.objects).toEqual(before.objects);
  expect(after.warnings).toEqual(before.warnings);
  // The refused pod is tried again every 15 s; nothing else has a reason.
  expect(after.reconciles - before.reconciles).toBeLessThanOrEqual(4);
});

async function seen() {
  const all = [...places.values()];
  const objects = (await Promise.all(all.map(async ({ shop }) => await shop.versions()))).flat();
  const warnings = (await Promise.all(all.map(async (place) => await place.warnings()))).flat();
  return { objects, warnings, reconciles: await countOf("controller_runtime_reconcile_total") };
}

/** Sum of a counter of the operator over all its labels. */
async function countOf(metric: string): Promise<number> {
  const text = await (await fetch(metricsUrl)).text();
  const values = text.split("\n").filter((line) => line.startsWith(`${metric}{`));
  expect(values.length, text.slice(0, 500)).toBeGreaterThan(0);
  return values.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

describe("a frame that is not the link's schema ends the link, is told, and harms nobody", () => {
  const session = { device: { namespace: "x", name: "ann", uid: "u" }, epoch: 1, state: "Connected", paired: true };
  const framed = (kind: string, over: object) => JSON.stringify({ kind, ...over });
  it.each<[string, string | Uint8Array, string]>([
    ["no JSON", "not json", "not JSON"],
    ["JSON that is no frame", "[]", "frame: Invalid input: expected object, received array"],
    ["an unknown kind", framed("nonsense", {}), "kind: expected one of hello, session, grant-request, egress"],
    ["a kind of the hub's", framed("welcome", {}), "kind: expected one of hello"],
    [
      "a field of another type",
      framed("session", { session: { ...session, epoch: "1" } }),
      "session.epoch: Invalid input: expected number, received string",
    ],
    [
      "a state that does not exist",
      framed("session", { session: { ...session, state: "Happy" } }),
      'session.state: Invalid option: expected one of "Claiming"|',
    ],
    [
      "a field that is missing",
      framed("session", { session: { ...session, device: undefined } }),
      "session.device: Invalid input: expected object, received undefined",
    ],
    [
      "faults without number",
      framed("grant-request", { requests: Array.from({ length: 900 }, () => 0) }),
      "; and 897 more",
    ],
    [
      "a list that is too long",
      framed("grant-request", { requests: Array.from({ length: 100_000 }, () => 0) }),
      "requests: Too big: expected array to have <=1000 items",
    ],
    [
      "a list without end",
      framed("grant-request", { requests: Array.from({ length: 500_000 }, () => 0) }),
      "more than 150000 fields and items",
    ],
    ["lists in lists without end", "[".repeat(500_000), "nested deeper than 16"],
    ["a binary message", Buffer.from("{}"), "a binary message; it must be JSON text"],
    ["a message of more than 1 MiB", "x".repeat(2 * 1024 * 1024), "larger than 1048576 bytes"],
  ])("%s", async (_case, frame, says) => {
    const place = places.get(talker);
    if (place === undefined) throw new Error(talker);
    const refusals = await countOf("whatsapp_link_refusals_total");
    const dialer = await place.dial("eu-px-0");
    dialer.say(dialer.greeting);
    await dialer.heard("welcome");
    dialer.say(frame);
    await eventually(() => {
      expect(dialer.closeCode).toBe(1000);
    });
    const refused = dialer.frames.find(({ kind }) => kind === "refused");
    expect(refused).toMatchObject({ message: expect.stringContaining(says) });
    await eventually(async () => {
      const wanted = { status: "False", reason: "LinkRefused", message: expect.stringContaining(says) };
      expect(readyOf(await place.shop.endpoint())).toMatchObject(wanted);
      expect(readyOf(await place.shop.device("ann"))).toMatchObject(wanted);
    });
    expect(await countOf("whatsapp_link_refusals_total")).toBe(refusals + 1);
  });
});

describe("once mended it goes on by itself", () => {
  it.each(rows)("$name", async (row) => {
    const place = placeOf(row);
    await row.mend(place);
    if (row.pods === "OnceMended") place.runPods();
    await eventually(async () => {
      const { status } = await place.shop.device("ann");
      const said = `${readyOf({ status })?.message} ${place.podLog.slice(-1500)}`;
      expect(conditionOf(status, "Scheduled"), said).toMatchObject({ status: "True" });
      expect((await place.shop.pods()).map(({ name }) => name)).toContain(status.assignment?.pod);
      if (row.pods !== undefined) expect(status.qr?.code, said).toBeDefined();
    }, 60_000);
  });
});

it("a proxy that refuses the password: told once by field and value, tried again with few looks, and mended by the Secret alone", async () => {
  await using place = await Place.open(server, proxy.port);
  const guess = "guessed-in-vain";
  const attempts = () => proxy.credentials.filter((given) => given.includes(guess)).length;
  place.runPods();
  await place.applySecret("login", { username: login.username, password: guess });
  await place.shop.applyPool(waysThroughProxy(place));
  await place.shop.applyDevice("ann", { reconnect: { baseDelay: "500ms", maxDelay: "2s" } });
  await eventually(() => {
    expect(attempts()).toBeGreaterThanOrEqual(1);
  }, 60_000);
  const before = { reconciles: await countOf("controller_runtime_reconcile_total"), attempts: attempts() };
  await eventually(() => {
    expect(attempts()).toBeGreaterThanOrEqual(before.attempts + 4);
  }, 60_000);
  const looks = (await countOf("controller_runtime_reconcile_total")) - before.reconciles;
  // An attempt has three states, and each is told to device, endpoint and pool.
  expect(looks / (attempts() - before.attempts)).toBeLessThan(40);
  const says = `AuthenticationFailed) (EgressPool "eu" spec.members[name="px"].proxy: socks5 127.0.0.1 port ${proxy.port}, credentials of Secret "login")`;
  await eventually(async () => {
    const wanted = { status: "False", reason: "ProxyFault", message: expect.stringContaining(says) };
    expect(readyOf(await place.shop.endpoint())).toMatchObject(wanted);
    expect((await place.shop.device("ann")).status.lastDisconnect).toMatchObject({ cause: "ProxyFault" });
    expect(readyOf(await place.shop.pool())).toMatchObject({ message: expect.stringContaining(says) });
    const device = readyOf(await place.shop.device("ann"));
    expect(device?.message).toContain("AuthenticationFailed). The proxy did not carry the connection.");
    expect(device?.message).toContain('credentials of Secret "login"');
  });
  const warnings = await place.warnings();
  expect(warnings.map(([what]) => what)).toEqual(["EgressEndpoint/eu-px ProxyFault", "WhatsAppDevice/ann ProxyFault"]);
  for (const [, note] of warnings) expect(note).toContain('credentials of Secret "login"');
  const { status } = await place.shop.device("ann");
  for (const text of [JSON.stringify([warnings, status]), operator.log, place.podLog])
    expect(text).not.toContain(guess);
  await place.applySecret("login", login);
  await eventually(async () => {
    expect((await place.shop.device("ann")).status.qr?.code, place.podLog.slice(-1_500)).toBeDefined();
    expect(readyOf(await place.shop.endpoint())).toMatchObject({ status: "True", reason: "Linked" });
  }, 60_000);
});
