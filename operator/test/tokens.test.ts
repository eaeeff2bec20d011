import { setTimeout as delay } from "node:timers/promises";
import { hubAudience } from "@wa/schema";
import { decodeJwt, decodeProtectedHeader, generateKeyPair, importPKCS8, SignJWT, type JWTPayload } from "jose";
import { createPrivateKey } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { Hub } from "../src/hub/start-hub.ts";
import { startApiServer, type ApiServer } from "./api-server.ts";
import { eventually } from "./eventually.ts";
import { HubStage, watched } from "./hub-stage.ts";

/** Whose tokens open a link, on API servers as people set them up. The server is set up anew by each group. */
let server: ApiServer;
let stage: HubStage;

beforeAll(async () => {
  server = await startApiServer();
  stage = await HubStage.on(server);
});
afterAll(async () => {
  await server.stop();
});

const first = "https://kubernetes.default.svc.cluster.local";
const second = "https://issuer.example.org";

/** HTTP status of a dial that was refused; 101 for a link. */
async function statusOf(hub: Hub, token: string): Promise<number> {
  const dialer = stage.dial(hub, token);
  await eventually(() => {
    expect(dialer.status).not.toBe(0);
  });
  dialer.end();
  return dialer.status;
}

describe("an API server that moves to another issuer", () => {
  it("still lets both link: pods with tokens of before, and pods with new ones, at a running hub and at a new one", async () => {
    const [before, after] = [await stage.ourPod(), await stage.ourPod()];
    await using running = await stage.hub();
    expect(await statusOf(running, before.token)).toBe(101);
    await server.restart(undefined, { issuers: [second, first] });
    const fresh = await stage.token(after);
    expect(decodeJwt(fresh).iss).toBe(second);
    await using started = await stage.hub();
    for (const hub of [running, started])
      for (const token of [fresh, before.token]) expect(await statusOf(hub, token)).toBe(101);
  });

  it("and forgets the one of before, whose tokens open nothing any more", async () => {
    const pod = await stage.ourPod();
    await server.restart(undefined, { issuers: [first] });
    await using hub = await stage.hub();
    expect(decodeJwt(pod.token).iss).toBe(second);
    expect(await statusOf(hub, pod.token)).toBe(401);
  });
});

describe("an API server whose issuer is no address, and which publishes no keys", () => {
  beforeAll(async () => {
    await server.restart(undefined, { issuers: ["api"] });
  });
  afterAll(async () => {
    await server.restart();
  });

  it("is asked about each token once, however often it is shown", async () => {
    const paths: string[] = [];
    await using hub = await stage.hub({ transport: watched(server.transport, (path) => void paths.push(path)) });
    const pod = await stage.ourPod();
    for (let dial = 0; dial < 5; dial++) expect(await statusOf(hub, pod.token)).toBe(101);
    expect(paths.filter((path) => path.endsWith("/tokenreviews"))).toHaveLength(1);
  });

  it.each([
    ["for another audience", async () => (await stage.ourPod("vault")).token],
    ["of a pod that is nobody's of ours", async () => (await stage.pod()).token],
    ["that somebody made himself", async () => await forged(await stage.ourPod())],
    ["of the kubeconfig's user", async () => await Promise.resolve(server.token)],
  ])("and does not let in a token %s", async (_case, token) => {
    await using hub = await stage.hub();
    expect(await statusOf(hub, await token())).toBe(401);
  });
});

/** The claims of a real token under a key of somebody's own, with the name of the real one. */
async function forged({ token }: { readonly token: string }): Promise<string> {
  const { privateKey } = await generateKeyPair("RS256");
  const { kid = "" } = decodeProtectedHeader(token);
  return await new SignJWT(decodeJwt(token)).setProtectedHeader({ alg: "RS256", kid }).sign(privateKey);
}

describe("a clock that differs from the API server's", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it.each([-3_600, -59, -30, -5, -2, 0, 60, 3_600])(
    "by %d s keeps no pod out that has just got its token",
    async (s) => {
      await using hub = await stage.hub();
      const pod = await stage.ourPod();
      vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + s * 1_000 });
      expect(await statusOf(hub, pod.token)).toBe(101);
    },
  );
});

/** A token with these claims under the API server's own key. */
async function signed(pod: { readonly token: string }, change: (claims: JWTPayload) => JWTPayload): Promise<string> {
  const pem = createPrivateKey(await server.signingKey()).export({ type: "pkcs8", format: "pem" });
  const { kid = "" } = decodeProtectedHeader(pod.token);
  return await new SignJWT(change(decodeJwt(pod.token)))
    .setProtectedHeader({ alg: "RS256", kid })
    .sign(await importPKCS8(String(pem), "RS256"));
}

describe("a token under the API server's own key", () => {
  const nowS = () => Math.floor(Date.now() / 1_000);
  it.each<[string, number, (claims: JWTPayload) => JWTPayload]>([
    ["as it is", 101, (claims) => claims],
    ["without an end", 401, ({ exp: _exp, ...claims }) => claims],
    ["that ended half a minute ago, which Kubernetes lets pass", 101, (claims) => ({ ...claims, exp: nowS() - 30 })],
    ["that ended two minutes ago", 401, (claims) => ({ ...claims, exp: nowS() - 120 })],
    ["that begins in half a minute, which Kubernetes lets pass", 101, (claims) => ({ ...claims, nbf: nowS() + 30 })],
    ["that begins in an hour", 401, (claims) => ({ ...claims, nbf: nowS() + 3_600 })],
    ["for nobody", 401, ({ aud: _aud, ...claims }) => claims],
    ["for several audiences, the hub's among them", 101, (claims) => ({ ...claims, aud: ["vault", hubAudience] })],
    ["that is bound to no pod", 401, ({ "kubernetes.io": _pod, ...claims }) => claims],
  ])("%s: %d", async (_case, status, change) => {
    await using hub = await stage.hub();
    expect(await statusOf(hub, await signed(await stage.ourPod(), change))).toBe(status);
  });
});

describe("a link", () => {
  it("ends with its token; the pod dials anew with the token that it has by then", async () => {
    await using hub = await stage.hub();
    const pod = await stage.ourPod();
    const nowS = Math.floor(Date.now() / 1_000);
    const token = await signed(pod, (claims) => ({ ...claims, exp: nowS - 57 }));
    const dialer = await stage.link(hub, { ...pod, token });
    await dialer.heard("not-leader");
    await eventually(() => {
      expect(dialer.closed).toBe(true);
    });
    expect(hub.pods().get(pod.uid)).toMatchObject({ isConnected: false });
    expect(hub.pods().get(pod.uid)?.refusal).toBeUndefined();
    expect(await statusOf(hub, token)).toBe(401);
    const again = await stage.link(hub, pod);
    await delay(6_000);
    expect(again.closed).toBe(false);
    again.end();
  });

  it("ends with its pod, says nothing more, and no token of that pod opens another", async () => {
    await using hub = await stage.hub();
    const pod = await stage.ourPod();
    const dialer = await stage.link(hub, pod);
    hub.cut(pod.uid);
    dialer.say({ kind: "egress", observedIPs: ["192.0.2.66"] });
    await dialer.heard("not-leader");
    await eventually(() => {
      expect(dialer.closed).toBe(true);
    });
    expect(hub.pods().get(pod.uid)).toMatchObject({ isConnected: false, observedIPs: [] });
    const heardMs = hub.pods().get(pod.uid)?.lastHeardMs;
    const again = stage.dial(hub, pod.token);
    expect(await again.heard("refused")).toMatchObject({ reason: "PodGone" });
    expect(hub.pods().get(pod.uid)?.lastHeardMs).toBe(heardMs);
  });

  it("of an API server without keys ends with its token too", async () => {
    await server.restart(undefined, { issuers: ["api"] });
    await using hub = await stage.hub();
    const pod = await stage.ourPod();
    const nowS = Math.floor(Date.now() / 1_000);
    const token = await signed(pod, (claims) => ({ ...claims, exp: nowS - 57 }));
    const dialer = await stage.link(hub, { ...pod, token });
    await dialer.heard("not-leader");
    expect(await statusOf(hub, token)).toBe(401);
    await server.restart();
  });
});

describe("a key that the hub has not read", () => {
  let calls: string[];
  let isSlow: boolean;
  const transport = () =>
    watched(server.transport, async (path) => {
      calls.push(path);
      if (isSlow) await delay(2_000);
    });
  beforeEach(() => {
    calls = [];
    isSlow = false;
  });

  it("is the API server's new one: its tokens are good at once", async () => {
    await using hub = await stage.hub();
    const old = await stage.ourPod();
    expect(await statusOf(hub, old.token)).toBe(101);
    await server.restart(undefined, { isKeyNew: true });
    const fresh = await stage.token(old);
    expect(await statusOf(hub, fresh)).toBe(101);
    expect(await statusOf(hub, old.token)).toBe(101);
    await server.restart();
  });

  it("is anybody's: three hundred dials reach a slow API server no more than a few times", async () => {
    const pod = await stage.pod();
    await using hub = await stage.hub({ transport: transport() });
    isSlow = true;
    const { privateKey } = await generateKeyPair("RS256");
    const tokens = await Promise.all(
      Array.from({ length: 300 }, async (_none, place) =>
        new SignJWT(decodeJwt(pod.token)).setProtectedHeader({ alg: "RS256", kid: `k${place}` }).sign(privateKey),
      ),
    );
    const dialers = tokens.map((token) => stage.dial(hub, token));
    await delay(6_000);
    for (const dialer of dialers) dialer.end();
    expect(calls.length).toBeLessThanOrEqual(4);
  });

  it("is anybody's, with the name of a pod of ours: one review at a time, and few that wait", async () => {
    const pod = await stage.ourPod();
    let reviews = 0;
    let most = 0;
    await using hub = await stage.hub({
      transport: watched(server.transport, async (path) => {
        if (!path.endsWith("/tokenreviews")) return;
        reviews += 1;
        most = Math.max(most, reviews);
        await delay(300);
        reviews -= 1;
      }),
    });
    const tokens = await Promise.all(Array.from({ length: 30 }, async () => await forgedUnderAnotherName(pod)));
    const answers = await Promise.all(tokens.map(async (token) => await statusOf(hub, token)));
    expect(most).toBe(1);
    expect(new Set(answers)).toEqual(new Set([401, 503]));
    expect(await statusOf(hub, pod.token)).toBe(101);
  });
});

async function forgedUnderAnotherName({ token }: { readonly token: string }): Promise<string> {
  const { privateKey } = await generateKeyPair("ES256");
  const kid = `mine-${Math.random()}`;
  return await new SignJWT(decodeJwt(token)).setProtectedHeader({ alg: "ES256", kid }).sign(privateKey);
}
