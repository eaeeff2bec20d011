import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { IncomingMessage } from "node:http";
import { get } from "node:https";
import { hubAudience, podAbilities } from "@wa/schema";
import { pino } from "pino";
import { Registry } from "prom-client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { newAuthority, type Authority } from "../src/hub/certificates.ts";
import type { IsOurPod } from "../src/hub/links.ts";
import { createHubMetrics } from "../src/hub/metrics.ts";
import { startStandby } from "../src/hub/standby.ts";
import { startHub, type Hub } from "../src/hub/start-hub.ts";
import { startApiServer, type ApiServer } from "./api-server.ts";
import { budgetFor } from "./hub-stage.ts";
import { helloOf, LinkDialer } from "./link-dialer.ts";
import { podToken } from "./pod-token.ts";

/** The real hub with real projected tokens, on a real API server. */
let server: ApiServer;
let authority: Authority;
let namespace: string;
const limit = { login: { count: 6, periodMs: 5_000 }, registration: { count: 6, periodMs: 5_000 } };
const ours = new Set<string>();

beforeAll(async () => {
  server = await startApiServer();
  authority = await newAuthority();
  namespace = await server.createNamespace();
});
afterAll(async () => {
  await server.stop();
});

const isOurPod: IsOurPod = ({ uid }) =>
  ours.has(uid) ? { kind: "Ours", endpoint: "eu-px" } : { kind: "Foreign", message: "not recorded" };

async function hubOf(ledger = "203.0.113.1", { term = 7, port = 0 } = {}): Promise<Hub> {
  const welcome = {
    installation: "wa/op",
    store: { url: "sqlite://x" },
    canaryKeyBase64: "",
    whatsapp: { url: "ws://x", rootKeyHex: "", caBundle: "", clientVersion: "" },
  };
  return await startHub({
    transport: server.transport,
    logger: pino({ level: process.env["TEST_LOG"] ?? "silent" }),
    metrics: createHubMetrics(new Registry()),
    term,
    authority,
    names: ["localhost"],
    port,
    namespace,
    welcome,
    isOurPod,
    assignedTo: () => () => "Unknown",
    budgetOf: budgetFor(ledger, limit),
    namedLedgers: () => new Set(),
  });
}

const Uid = z.object({ metadata: z.object({ uid: z.string() }) });

/** A pod object, and a token bound to it as the kubelet would project it. */
async function podWithToken(audience: string = hubAudience): Promise<{ name: string; uid: string; token: string }> {
  const name = `pod-${randomUUID().slice(0, 8)}`;
  const path = `/api/v1/namespaces/${namespace}`;
  const body = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace },
    spec: { containers: [{ name: "x", image: "x" }] },
  };
  const { metadata } = Uid.parse(await server.transport.call({ method: "POST", path: `${path}/pods`, body }));
  const pod = { name, uid: metadata.uid };
  return { ...pod, token: await podToken(server.transport, { namespace, ...pod }, audience) };
}

async function ourPod() {
  const pod = await podWithToken();
  ours.add(pod.uid);
  return pod;
}

const dial = (hub: { readonly port: number }, token: string) =>
  new LinkDialer({ port: hub.port, caPem: authority.certificatePem, namespace, token });

const assignment = (name: string) => ({
  device: { namespace, name, uid: `uid-${name}` },
  epoch: 1,
  dataKeys: [{ keyId: "k", keyBase64: "" }],
  desired: "Running" as const,
  pairRequestedAt: "",
  spec: {
    pairing: { method: "QRCode" as const, phoneNumber: "", windowMs: 1 },
    browser: { os: "a", name: "b", version: "c" },
    clientVersion: "Auto",
    connectTimeoutMs: 1,
    keepAliveIntervalMs: 1,
    queryTimeoutMs: 1,
    baseDelayMs: 1,
    maxDelayMs: 1,
    unpairedAttempts: 1,
  },
});

describe("who may link", () => {
  it("a pod of ours with its own token gets the welcome and its whole wish", async () => {
    await using hub = await hubOf();
    const pod = await ourPod();
    hub.setDesired(pod.uid, { egressIPEndpoints: ["http://echo/ip"], assignments: [assignment("d1")] });
    const dialer = await dial(hub, pod.token).opened();
    dialer.hello(pod);
    expect(await dialer.heard("welcome")).toMatchObject({ term: 7, installation: "wa/op" });
    expect((await dialer.heard("assign")).assignments.map(({ device }) => device.name)).toEqual(["d1"]);
    expect(hub.pods().get(pod.uid)).toMatchObject({ isConnected: true, endpoint: "eu-px" });
  });

  it("a valid token of a pod that the operator did not make is refused with the reason", async () => {
    await using hub = await hubOf();
    const pod = await podWithToken();
    const dialer = await dial(hub, pod.token).opened();
    dialer.hello(pod);
    expect(await dialer.heard("refused")).toMatchObject({ reason: "ForeignPod" });
    expect(hub.pods().size).toBe(0);
  });

  it.each([
    ["for another audience", async () => (await podWithToken("vault")).token],
    ["that is no token", async () => await Promise.resolve("garbage")],
    ["whose signature was changed", async () => `${(await ourPod()).token.slice(0, -6)}AAAAAA`],
    ["of the kubeconfig's user", async () => await Promise.resolve(server.token)],
  ])("a token %s does not open a link", async (_case, token) => {
    await using hub = await hubOf();
    const dialer = dial(hub, await token());
    await expect.poll(() => dialer.status, { timeout: 5_000 }).toBe(401);
  });
});

/** What the API server answers to who shows this token. */
async function statusWith(token: string): Promise<number | undefined> {
  const headers = { authorization: `Bearer ${token}` };
  const asked = get(`${server.url}/api`, { headers, rejectUnauthorized: false });
  const [response] = z.tuple([z.instanceof(IncomingMessage)]).parse(await once(asked, "response"));
  response.resume();
  return response.statusCode;
}

describe("a pod's token", () => {
  it("speaks for that pod alone, whatever name its hello gives", async () => {
    await using hub = await hubOf();
    const [thief, victim] = [await ourPod(), await ourPod()];
    for (const [pod, name] of [
      [thief, "his-own"],
      [victim, "of-the-victim"],
    ] as const)
      hub.setDesired(pod.uid, { egressIPEndpoints: [], assignments: [assignment(name)] });
    const dialer = await dial(hub, thief.token).opened();
    dialer.hello(victim);
    expect((await dialer.heard("assign")).assignments.map(({ device }) => device.name)).toEqual(["his-own"]);
    expect([...hub.pods().values()].map(({ name, uid }) => [name, uid])).toEqual([[thief.name, thief.uid]]);
  });

  it("opens nothing at the API server", async () => {
    expect(await statusWith(server.token)).toBe(200);
    expect(await statusWith((await ourPod()).token)).toBe(401);
  });
});

describe("another URL of the store", () => {
  it("is told at once to a linked pod that understands it, and to nobody else; whoever links later hears of it", async () => {
    await using hub = await hubOf();
    const [able, old, late] = [await ourPod(), await ourPod(), await ourPod()];
    const [renewed, first] = [await dial(hub, able.token).opened(), await dial(hub, old.token).opened()];
    renewed.say({ ...helloOf({ namespace, ...able }), abilities: ["store-login", "something-newer"] });
    first.say({ ...helloOf({ namespace, ...old }) });
    await renewed.heard("welcome");
    await first.heard("welcome");
    hub.setStoreUrl("sqlite://x");
    hub.setStoreUrl("postgres://another");
    const urls = (dialer: LinkDialer) =>
      dialer.frames.flatMap((frame) => (frame.kind === "welcome" ? [frame.store.url] : []));
    await expect.poll(() => urls(renewed)).toEqual(["sqlite://x", "postgres://another"]);
    const lately = await dial(hub, late.token).opened();
    lately.hello(late);
    expect(await lately.heard("welcome")).toMatchObject({ store: { url: "postgres://another" } });
    expect(urls(first)).toEqual(["sqlite://x"]);
    expect(first.closed).toBe(false);
  });

  it("that a pod does not work with stands on the board until it does", async () => {
    await using hub = await hubOf();
    const pod = await ourPod();
    const dialer = await dial(hub, pod.token).opened();
    dialer.hello(pod);
    const store = { reason: "StoreChanged", message: "works with a, and told is b" };
    dialer.say({ kind: "egress", observedIPs: [], store });
    await expect.poll(() => hub.pods().get(pod.uid)?.storeProblem).toEqual(store);
    dialer.say({ kind: "egress", observedIPs: [] });
    await expect.poll(() => hub.pods().get(pod.uid)?.storeProblem).toBeUndefined();
  });
});

describe("a replica that does not lead", () => {
  const place = (port: number) => ({ authority, names: ["localhost"], port });

  it("says so to whoever dials, and leaves its port to the hub once it leads", async () => {
    const standby = await startStandby(place(0));
    const pod = await ourPod();
    const dialer = dial(standby, pod.token);
    await dialer.heard("not-leader");
    await expect.poll(() => dialer.closed).toBe(true);
    await standby[Symbol.asyncDispose]();
    await using hub = await hubOf("203.0.113.1", { port: standby.port });
    const again = await dial(hub, pod.token).opened();
    again.hello(pod);
    await again.heard("welcome");
  });

  it("shows nothing else", async () => {
    await using standby = await startStandby(place(0));
    const answer = await new Promise<number | undefined>((resolve) => {
      get(`https://localhost:${standby.port}/metrics`, { ca: authority.certificatePem }, ({ statusCode }) =>
        resolve(statusCode),
      );
    });
    expect(answer).toBe(404);
  });
});

describe("what a link may say", () => {
  it("a report about a device that the pod was never wished to run is dropped", async () => {
    await using hub = await hubOf();
    const pod = await ourPod();
    hub.setDesired(pod.uid, { egressIPEndpoints: [], assignments: [assignment("mine")] });
    const dialer = await dial(hub, pod.token).opened();
    dialer.hello(pod);
    await dialer.heard("assign");
    const report = (name: string) => ({
      device: { namespace, name, uid: `uid-${name}` },
      epoch: 1,
      state: "Connected" as const,
      paired: true,
      generation: 1,
      browserDiffers: false,
      attempt: 0,
    });
    dialer.say({ kind: "session", session: report("foreign") });
    dialer.say({ kind: "session", session: report("mine") });
    await expect.poll(() => [...(hub.pods().get(pod.uid)?.sessions.keys() ?? [])]).toEqual(["uid-mine"]);
  });

  it("a link of another version is refused", async () => {
    await using hub = await hubOf();
    const pod = await ourPod();
    const dialer = await dial(hub, pod.token).opened();
    dialer.say({ ...helloOf({ namespace, ...pod }), version: 99 });
    expect(await dialer.heard("refused")).toMatchObject({ reason: "Version" });
  });
});

function most(times: readonly number[], periodMs: number): number {
  return Math.max(0, ...times.map((from) => times.filter((time) => time >= from && time < from + periodMs).length));
}

describe("starts", () => {
  const names = Array.from({ length: limit.registration.count }, (_none, place) => `d${place}`);
  const requests = () => names.map((name) => ({ device: assignment(name).device, bucket: "registration" as const }));

  /** Links a pod with as many devices as the limit counts, asks for all, and resolves to the due times on the server's clock. */
  async function askForAll(hub: Hub, pod: { name: string; uid: string; token: string }): Promise<number[]> {
    hub.setDesired(pod.uid, { egressIPEndpoints: [], assignments: names.map(assignment) });
    const dialer = await dial(hub, pod.token).opened();
    dialer.say({ ...helloOf({ namespace, ...pod }), abilities: [podAbilities.lateGrants] });
    await dialer.heard("assign");
    dialer.say({ kind: "grant-request", requests: requests() });
    const { grants } = await dialer.heard("grant");
    const nowMs = server.transport.serverNowMs();
    dialer.end();
    expect(grants).toHaveLength(limit.registration.count);
    return grants.map(({ startInMs }) => nowMs + startInMs);
  }

  it("one answer gives a queue its times, and a new hub in the middle of it grants none too many", async () => {
    const pod = await ourPod();
    const address = `198.51.100.${Math.floor(Math.random() * 200)}`;
    const first = await hubOf(address, { term: 1 });
    const before = await askForAll(first, pod);
    await first[Symbol.asyncDispose]();
    await using second = await hubOf(address, { term: 2 });
    const after = await askForAll(second, pod);
    expect(most(before, limit.registration.periodMs)).toBeLessThanOrEqual(limit.registration.count);
    // Whatever the pod uses of both answers: no period may hold more than the limit.
    expect(most([...before, ...after], limit.registration.periodMs)).toBeLessThanOrEqual(limit.registration.count);
  });

  it("two leaders at once do not exceed the limit together", async () => {
    const [one, two] = [await ourPod(), await ourPod()];
    const address = "2001:db8::1";
    await using first = await hubOf(address, { term: 1 });
    await using second = await hubOf("2001:db8::2", { term: 2 });
    const times = (await Promise.all([askForAll(first, one), askForAll(second, two)])).flat();
    expect(times).toHaveLength(2 * limit.registration.count);
    expect(most(times, limit.registration.periodMs)).toBeLessThanOrEqual(limit.registration.count);
  });
});
