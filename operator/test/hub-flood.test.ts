import { connect, type Socket } from "node:net";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { hubPath } from "@wa/schema";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { startStandby } from "../src/hub/standby.ts";
import type { Hub } from "../src/hub/start-hub.ts";
import { startApiServer, type ApiServer } from "./api-server.ts";
import { eventually } from "./eventually.ts";
import { HubStage, type TestPod } from "./hub-stage.ts";
import { helloOf, type LinkDialer } from "./link-dialer.ts";

/** Those who are not ours, and one of ours that says far too much: the others link and are heard as ever. */
let server: ApiServer;
let stage: HubStage;
const sockets: Socket[] = [];

beforeAll(async () => {
  server = await startApiServer();
  stage = await HubStage.on(server);
});
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});
afterAll(async () => {
  await server.stop();
});

type Place = { readonly port: number };

function plainSocket({ port }: Place): Socket {
  const socket = connect({ port, host: "127.0.0.1" }).on("error", () => undefined);
  sockets.push(socket);
  return socket;
}

/** @param allowHalfOpen it goes on at its own end after the other has ended */
async function tlsSocket({ port }: Place, allowHalfOpen = false): Promise<TLSSocket> {
  const ca = stage.authority.certificatePem;
  const options = { port, host: "127.0.0.1", servername: "localhost", ca, allowHalfOpen };
  const socket = connectTls(options).on("error", () => undefined);
  sockets.push(socket);
  await once(socket, "secureConnect");
  return socket;
}

const dialOf = (token: string, path: string = hubPath) =>
  `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n` +
  `sec-websocket-key: ${Buffer.alloc(16).toString("base64")}\r\nauthorization: Bearer ${token}\r\n\r\n`;

/** Resolves once the other end has ended the connection, whatever this end does. */
async function ended(socket: Socket, withinMs: number): Promise<boolean> {
  const isOver = () => socket.destroyed || socket.readableEnded;
  for (const untilMs = performance.now() + withinMs; !isOver() && performance.now() < untilMs;) await delay(20);
  return isOver();
}

/** A pod of ours links and is welcome within the time that it has for a dial, twice over. */
async function linksAsEver(hub: Hub): Promise<void> {
  const startedMs = performance.now();
  const dialer = await stage.link(hub, await stage.ourPod());
  expect(performance.now() - startedMs).toBeLessThan(4_000);
  dialer.end();
}

describe("a connection that is nobody's is ended", () => {
  const hubAndStandby = [
    ["hub", async () => await stage.hub()],
    ["standby", async () => await startStandby({ authority: stage.authority, names: ["localhost"], port: 0 })],
  ] as const;

  describe.each(hubAndStandby)("by the %s", (_who, start) => {
    it.each<[string, (place: Place) => Promise<Socket>]>([
      ["without a word", async (place) => await Promise.resolve(plainSocket(place))],
      [
        "with half a TLS greeting",
        async (place) => {
          const socket = plainSocket(place);
          socket.write(Buffer.from("160301020001", "hex"));
          return await Promise.resolve(socket);
        },
      ],
      ["after TLS, without a request", async (place) => await tlsSocket(place)],
      [
        "with half a request",
        async (place) => {
          const socket = await tlsSocket(place);
          socket.write("GET / HTTP/1.1\r\nx: ");
          return socket;
        },
      ],
      [
        "with a request and a body that never ends",
        async (place) => {
          const socket = await tlsSocket(place);
          socket.write("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n");
          return socket;
        },
      ],
      [
        "with a dial of another path",
        async (place) => {
          const socket = await tlsSocket(place);
          socket.write(dialOf("x", "/metrics"));
          return socket;
        },
      ],
    ])("%s", async (_case, open) => {
      await using place = await start();
      const socket = await open(place);
      socket.pause();
      socket.resume();
      expect(await ended(socket, 7_000)).toBe(true);
    });
  });

  it("after a 401, although it stays open at its own end", async () => {
    await using hub = await stage.hub();
    const socket = await tlsSocket(hub, true);
    socket.write(dialOf("no token"));
    let answer = "";
    socket.on("data", (chunk: Buffer) => (answer += chunk.toString()));
    // Only a connection that is gone at the other end breaks under what is written into it.
    await eventually(() => {
      socket.write("x");
      expect(socket.destroyed).toBe(true);
    }, 4_000);
    expect(answer).toContain("401");
  });

  it("however many there are: few are held, and a pod of ours links meanwhile", async () => {
    await using hub = await stage.hub();
    for (let turn = 0; turn < 30; turn++) {
      for (let each = 0; each < 100; each++) plainSocket(hub);
      await delay(20);
    }
    await linksAsEver(hub);
    await eventually(() => {
      expect(sockets.filter((socket) => !socket.destroyed).length).toBeLessThanOrEqual(512);
    });
  });
});

describe("a pod that the operator does not know", () => {
  const large = "x".repeat(4_000_000);

  async function openDialer(hub: Hub, pod: TestPod): Promise<LinkDialer> {
    return await stage.dial(hub, pod.token).opened();
  }

  it("is not read: what it says stays with itself until it is refused, and then it is told why", async () => {
    await using hub = await stage.hub();
    const pod = await stage.pod();
    const dialer = await openDialer(hub, pod);
    for (let frame = 0; frame < 10; frame++) dialer.say(JSON.stringify({ kind: "nonsense", large }));
    await delay(1_500);
    expect(dialer.unsent).toBeGreaterThan(20_000_000);
    expect((await dialer.heard("refused")).reason).toBe("ForeignPod");
    await eventually(() => {
      expect(dialer.closed).toBe(true);
    });
  });

  it("has one link that waits; an older one ends", async () => {
    await using hub = await stage.hub();
    const pod = await stage.pod();
    const first = await openDialer(hub, pod);
    const second = await openDialer(hub, pod);
    await eventually(() => {
      expect(first.closed).toBe(true);
    });
    expect(second.closed).toBe(false);
    second.end();
  });

  it("becomes ours while it waits: its hello, sent before, is heard", async () => {
    await using hub = await stage.hub();
    const pod = await stage.pod();
    const dialer = await openDialer(hub, pod);
    dialer.hello(pod);
    await delay(500);
    stage.ours.add(pod.uid);
    await dialer.heard("welcome");
    dialer.end();
  });

  it("comes a hundredfold: at most 32 of its namespace wait, and a pod of ours links meanwhile", async () => {
    await using hub = await stage.hub();
    const pods = await Promise.all(Array.from({ length: 40 }, async () => await stage.pod()));
    const dialers = await Promise.all(pods.map(async (pod) => await openDialer(hub, pod)));
    await linksAsEver(hub);
    await eventually(() => {
      expect(dialers.filter(({ closed }) => closed).length).toBeGreaterThanOrEqual(8);
    }, 3_000);
    for (const dialer of dialers) dialer.end();
  });
});

describe("a pod of ours that says too much", () => {
  const tick = (hub: Hub, pod: TestPod) => hub.pods().get(pod.uid)?.observedIPs[0];
  const egress = (place: number) => ({ kind: "egress" as const, observedIPs: [`192.0.2.${place % 250}`] });

  it("is read more slowly, loses nothing, and holds up nobody", async () => {
    await using hub = await stage.hub();
    const [loud, quiet] = [await stage.ourPod(), await stage.ourPod()];
    const [shouting, talking] = [await stage.link(hub, loud), await stage.link(hub, quiet)];
    for (let frame = 0; frame < 6_000; frame++) shouting.say(egress(frame));
    const startedMs = performance.now();
    talking.say(egress(7));
    await eventually(() => {
      expect(tick(hub, quiet)).toBe("192.0.2.7");
    });
    expect(performance.now() - startedMs).toBeLessThan(2_000);
    expect(shouting.closed).toBe(false);
    await eventually(() => {
      expect(tick(hub, loud)).toBe(egress(5_999).observedIPs[0]);
    }, 40_000);
    expect(shouting.closed).toBe(false);
    for (const dialer of [shouting, talking]) dialer.end();
  });

  it("pings without end are answered by a few pongs, and its frames are heard", async () => {
    await using hub = await stage.hub();
    const pod = await stage.ourPod();
    const dialer = await stage.link(hub, pod);
    for (let ping = 0; ping < 5_000; ping++) dialer.ping(`${ping}`);
    dialer.say(egress(9));
    await eventually(() => {
      expect(tick(hub, pod)).toBe("192.0.2.9");
      expect(dialer.pongs.at(-1)).toBe("4999");
    }, 20_000);
    expect(dialer.pongs.length).toBeLessThan(1_000);
    dialer.end();
  });

  it("a second hello on one link is refused; on a link of its own it is welcome", async () => {
    await using hub = await stage.hub();
    const pod = await stage.ourPod();
    const dialer = await stage.link(hub, pod);
    dialer.hello(pod);
    expect(await dialer.heard("refused")).toMatchObject({ reason: "BadFrame", message: "a second hello on one link" });
    (await stage.link(hub, pod)).end();
  });

  it("hellos of older pods that made starts by themselves for a day are welcome, several at once", async () => {
    await using hub = await stage.hub();
    const pods = await Promise.all(Array.from({ length: 3 }, async () => await stage.ourPod()));
    const device = { namespace: stage.namespace, name: "d", uid: "11111111-2222-3333-4444-555555555555" };
    const selfGranted = Array.from({ length: 100_000 }, (_none, place) => ({
      device,
      bucket: "login" as const,
      agoMs: 86_400_000 - place * 860,
    }));
    const dialers = await Promise.all(pods.map(async ({ token }) => await stage.dial(hub, token).opened()));
    for (const [place, pod] of pods.entries())
      dialers[place]?.say({ ...helloOf({ namespace: stage.namespace, ...pod }), selfGranted });
    for (const dialer of dialers) {
      await dialer.heard("welcome");
      dialer.end();
    }
  });

  it("a pod that reads nothing is sent no more than a few megabytes", async () => {
    await using hub = await stage.hub();
    const pod = await stage.ourPod();
    const dialer = await stage.link(hub, pod);
    dialer.stopReading();
    const before = process.memoryUsage().external;
    for (let wish = 0; wish < 400; wish++) {
      hub.setDesired(pod.uid, { egressIPEndpoints: [`http://${"x".repeat(500_000)}/${wish}`], assignments: [] });
      await delay(0);
    }
    expect(process.memoryUsage().external - before).toBeLessThan(40_000_000);
    dialer.end();
  });
});
