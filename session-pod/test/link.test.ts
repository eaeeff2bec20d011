import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { deriveCanaryKey, podPaths } from "@wa/schema";
import { describe, expect, it, onTestFinished } from "vitest";
import { socksProxy } from "./egress-servers.ts";
import { assignment, device, LinkScene, observedIP, phone } from "./link-scene.ts";
import { startPostgres } from "./postgres.ts";
import { until } from "./until.ts";

describe("a session pod on the operator's link", () => {
  it("says hello, takes the assignment, shows a QR code and is connected once that was scanned", async (context) => {
    await using scene = await LinkScene.set(context);
    scene.startPod();
    await scene.pair();

    expect(scene.hub.hellos()[0]).toEqual({
      kind: "hello",
      version: 1,
      endpoint: "direct-default",
      pod: { namespace: "shop", name: "direct-default-0", uid: "pod-uid-1", node: "node-1" },
      sessions: [],
      selfGranted: [],
      abilities: ["store-login", "late-grants"],
    });
    expect(scene.hub.authorizations[0]).toBe("Bearer token-1");
    const asked = scene.hub.frames.flatMap((frame) => (frame.kind === "grant-request" ? frame.requests : []));
    expect([...new Set(asked.map(({ bucket }) => bucket))]).toEqual(["registration", "restart"]);
    expect(scene.hub.session(device.uid)).toMatchObject({
      epoch: 1,
      paired: true,
      identity: { jid: expect.any(String) },
    });
    expect(await scene.counts()).toMatchObject({ isLinked: true, socketsNow: 1, logins: 1 });
  });

  it("writes no code, key, address or password into its log, however much it logs", async (context) => {
    await using scene = await LinkScene.set(context);
    const pod = scene.startPod({ environment: { WA_LOG_LEVEL: "trace" } });
    await scene.pair();
    await pod.end("SIGTERM");
    const codes = scene.hub.frames.flatMap((frame) => (frame.kind === "session" ? (frame.session.qr?.code ?? []) : []));
    const keys = assignment.dataKeys.map(({ keyBase64 }) => keyBase64);
    expect(codes.length).toBeGreaterThan(0);
    for (const secret of [...codes, ...keys, scene.hub.welcome.canaryKeyBase64, phone, "token-1"])
      expect(pod.log()).not.toContain(secret);
  });

  it("releases its sessions at SIGTERM and exits with 0", async (context) => {
    await using scene = await LinkScene.set(context);
    const pod = scene.startPod();
    await scene.pair();
    expect(await pod.end("SIGTERM")).toBe(0);
    expect(scene.hub.session(device.uid)?.state).toBe("Released");
    await until("the socket is gone", async () => (await scene.counts()).socketsNow === 0);
    expect(await scene.counts()).toMatchObject({ isLinked: true, logouts: 0 });
  });

  it("releases a session that is assigned no more", async (context) => {
    await using scene = await LinkScene.set(context);
    scene.startPod();
    await scene.pair();
    scene.hub.assign = { egressIPEndpoints: [], assignments: [] };
    scene.hub.sayAssign();
    await scene.hub.reported(device.uid, "Released");
    await until("the socket is gone", async () => (await scene.counts()).socketsNow === 0);
  });

  it("drops frames of a leader of before and frames that are none", async (context) => {
    await using scene = await LinkScene.set(context);
    scene.hub.term = 5;
    const pod = scene.startPod();
    await scene.pair();
    scene.hub.say({ kind: "assign", term: 4, egressIPEndpoints: [], assignments: [] });
    scene.hub.sayText("no JSON");
    scene.hub.sayText('{"kind":"assign","term":"five"}');
    await until("all three are dropped", () => (pod.log().match(/dropped/g)?.length ?? 0) === 3);
    expect(scene.hub.session(device.uid)?.state).toBe("Connected");
    expect(await scene.counts()).toMatchObject({ socketsNow: 1 });
    expect(pod.log()).toContain("no JSON");

    scene.hub.term = 4;
    scene.hub.assign = { egressIPEndpoints: [], assignments: [] };
    scene.hub.cut();
    await until("a leader of before is left for another one", () => scene.hub.hellos().length >= 3);
    expect(scene.hub.session(device.uid)?.state).toBe("Connected");
    scene.hub.term = 6;
    await scene.hub.reported(device.uid, "Released");
  });

  it("starts anew when the operator's settings change", async (context) => {
    await using scene = await LinkScene.set(context);
    const pod = scene.startPod();
    await scene.pair();
    scene.hub.welcome = {
      ...scene.hub.welcome,
      whatsapp: { ...scene.hub.welcome.whatsapp, url: "wss://other.example/ws/chat" },
    };
    scene.hub.cut();
    expect(await pod.exited).toBe(0);
    expect(scene.hub.session(device.uid)?.state).toBe("Released");
  });

  it("says that it is ready once an operator told it what to work with", async (context) => {
    await using scene = await LinkScene.set(context);
    scene.hub.answer = { kind: "not-leader" };
    const pod = scene.startPod();
    const url = await pod.url();
    expect((await fetch(`${url}/livez`)).status).toBe(200);
    expect((await fetch(`${url}/readyz`)).status).toBe(503);
    scene.hub.answer = undefined;
    await until("it is ready", async () => (await fetch(`${url}/readyz`)).status === 200);
    const counted = async (): Promise<boolean> =>
      (await pod.metric('whatsapp_session_states{state="AwaitingPairing"}')) === 1;
    await until("the session is counted", counted);
  });

  it("dials a hub that does not lead again soon, and one that refuses it later, with the reason in its log", async (context) => {
    await using scene = await LinkScene.set(context);
    scene.hub.answer = { kind: "not-leader" };
    const pod = scene.startPod();
    await until("five dials", () => scene.hub.hellos().length >= 5);
    scene.hub.answer = { kind: "refused", reason: "ForeignPod", message: "no endpoint knows this pod" };
    await until("the reason", () => pod.log().includes("ForeignPod"));
    const dials = scene.hub.hellos().length;
    await sleep(3_000);
    expect(scene.hub.hellos().length).toBe(dials);
    scene.hub.answer = undefined;
    await until("an assignment is taken", () => scene.hub.session(device.uid));
  });
});

describe("a session pod's store", () => {
  it("is reported while it does not answer, and opened as soon as it does", async (context) => {
    await using scene = await LinkScene.set(context);
    const postgres = await startPostgres();
    onTestFinished(async () => await postgres.stop());
    await postgres.crash();
    scene.hub.welcome = { ...scene.hub.welcome, store: { url: postgres.url } };
    scene.startPod();
    await scene.hub.reported(device.uid, "StoreUnavailable");
    await postgres.start();
    await scene.hub.reported(device.uid, "AwaitingPairing");
  });

  it("is left alone where another master key wrote it", async (context) => {
    await using scene = await LinkScene.set(context);
    const pod = scene.startPod();
    await scene.hub.reported(device.uid, "AwaitingPairing");
    await pod.end("SIGTERM");
    scene.hub.welcome = { ...scene.hub.welcome, canaryKeyBase64: deriveCanaryKey(Buffer.alloc(32, 8)) };
    scene.startPod();
    const { reason } = await scene.hub.reported(device.uid, "StoreRefused");
    expect(reason).toBe("MasterKeyMismatch");
  });
});

describe("a session pod's way out", () => {
  it("is measured before the first start is asked for", async (context) => {
    await using scene = await LinkScene.set(context);
    scene.hub.assign = { egressIPEndpoints: [`${scene.simulator.controlUrl}/ip`], assignments: [assignment] };
    scene.startPod();
    await scene.pair();
    const measured = scene.hub.frames.findIndex(
      (frame) => frame.kind === "egress" && frame.observedIPs[0] === observedIP,
    );
    const asked = scene.hub.frames.findIndex((frame) => frame.kind === "grant-request" && frame.requests.length > 0);
    expect(measured).toBeGreaterThan(scene.hub.frames.findIndex(({ kind }) => kind === "hello"));
    expect(asked).toBeGreaterThan(measured);
    expect(scene.hub.session(device.uid)?.observedIP).toBe(observedIP);
  });

  it("is told when no echo answers, and holds nobody up", async (context) => {
    await using scene = await LinkScene.set(context);
    scene.hub.assign = { egressIPEndpoints: [`${scene.simulator.controlUrl}/sw.js`], assignments: [assignment] };
    scene.startPod();
    await scene.pair();
    expect(scene.hub.egress()).toMatchObject({ observedIPs: [], problem: { reason: "EchoFailed" } });
  });

  it("waits for the proxy's Secret, names what is missing, and goes on by itself", async (context) => {
    await using scene = await LinkScene.set(context);
    const credentials = { usernameKey: "user", passwordKey: "pass" };
    const pod = scene.startPod({
      egress: { kind: "proxy", protocol: "socks5", host: "127.0.0.1", port: 9, credentials },
    });
    await scene.hub.reported(device.uid, "EgressUnready");
    expect(scene.hub.session(device.uid)?.reason).toBe("ProxySecretMissing");
    expect(scene.hub.egress()?.problem?.reason).toBe("ProxySecretMissing");
    expect(scene.hub.frames.some((frame) => frame.kind === "grant-request" && frame.requests.length > 0)).toBe(false);

    await scene.folders.write(join(podPaths.proxyFolder, "user"), "somebody");
    await until("the key is missed", () => scene.hub.egress()?.problem?.reason === "ProxySecretKeyMissing");
    await scene.folders.write(join(podPaths.proxyFolder, "pass"), "a-secret-password");
    await until("it healed", () => scene.hub.egress()?.problem === undefined);
    await until("a start is asked for", () =>
      scene.hub.frames.some((frame) => frame.kind === "grant-request" && frame.requests.length > 0),
    );
    expect(pod.log()).not.toContain("a-secret-password");
  });

  it("through a proxy that refuses the password is tried again at once when the Secret is mended, however long the wait", async (context) => {
    await using scene = await LinkScene.set(context);
    const upstreamPort = Number(new URL(scene.simulator.wssUrl).port);
    const proxy = await socksProxy({ upstreamPort, username: "somebody", password: "the right one" });
    context.onTestFinished(async () => await proxy.close());
    const spec = { ...assignment.spec, baseDelayMs: 600_000, maxDelayMs: 600_000, unpairedAttempts: 1 };
    scene.hub.assign = { egressIPEndpoints: [], assignments: [{ ...assignment, spec }] };
    const login = (key: string, text: string) => scene.folders.write(join(podPaths.proxyFolder, key), text);
    await login("user", "somebody");
    await login("pass", "the wrong one");
    const credentials = { usernameKey: "user", passwordKey: "pass" };
    scene.startPod({
      egress: { kind: "proxy", protocol: "socks5", host: "localhost", port: proxy.port, credentials },
    });
    await scene.hub.reported(device.uid, "BackingOff");
    expect(scene.hub.session(device.uid)?.lastDisconnect?.cause).toBe("ProxyFault");
    await login("pass", "the right one");
    await scene.pair();
  });
});

describe("a session pod's environment", () => {
  it("ends the process with the variable, its value and what is allowed where it is wrong", async (context) => {
    await using scene = await LinkScene.set(context);
    const pod = scene.startPod({ environment: { WA_LOG_LEVEL: "loud" } });
    expect(await pod.exited).toBe(1);
    expect(pod.log()).toContain('WA_LOG_LEVEL is "loud", allowed: one of trace, debug, info');
  });
});
