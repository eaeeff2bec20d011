import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { linkVersion, type HubFrame } from "@wa/schema";
import { WebSocket } from "ws";

export interface Target {
  readonly hubUrl: string;
  readonly caPem: string;
}

export interface TokenOfPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly token: string;
  /** Where it dials from: every pod has an address of its own. */
  readonly address: string;
}

const mostAtOnce = 50;

function dial({ hubUrl, caPem }: Target, { token, address: localAddress }: TokenOfPod): WebSocket {
  const headers = { authorization: `Bearer ${token}` };
  return new WebSocket(hubUrl, { ca: caPem, headers, localAddress, family: 4, perMessageDeflate: false }).on(
    "error",
    () => undefined,
  );
}

/** However it comes. */
async function closed(socket: WebSocket, signal?: AbortSignal): Promise<void> {
  if (socket.readyState === WebSocket.CLOSED) return;
  await new Promise<void>((resolve) => {
    socket.once("close", () => {
      resolve();
    });
    signal?.addEventListener("abort", () => socket.terminate(), { once: true });
  });
}

/** So many connections without a word, from a hundred addresses; those that the other end ends are opened again. */
export async function holdHalfOpen({ hubUrl }: Target, count: number, signal: AbortSignal): Promise<void> {
  const port = Number(new URL(hubUrl).port);
  const open = new Set<Socket>();
  for (let place = 0; !signal.aborted; place++) {
    for (let each = 0; each < mostAtOnce && open.size < count; each++) {
      const localAddress = `127.0.1.${((place * mostAtOnce + each) % 100) + 1}`;
      const socket = connect({ port, host: "127.0.0.1", localAddress }).on("error", () => undefined);
      open.add(socket);
      socket.resume().once("close", () => open.delete(socket));
    }
    await delay(10);
  }
  for (const socket of open) socket.destroy();
}

/** Dials with a good token of a pod that is nobody's, says a megabyte again and again, and dials anew. */
export async function floodAsForeigner(target: Target, pod: TokenOfPod, signal: AbortSignal): Promise<void> {
  const frame = JSON.stringify({ kind: "nonsense", text: "x".repeat(1_000_000) });
  while (!signal.aborted) {
    const socket = dial(target, pod);
    socket.on("open", () => {
      for (let each = 0; each < 4; each++) socket.send(frame);
    });
    await closed(socket, signal);
    socket.terminate();
  }
}

const helloOf = ({ namespace, name, uid }: TokenOfPod, more: object): string =>
  JSON.stringify({
    kind: "hello",
    version: linkVersion,
    endpoint: "e",
    pod: { namespace, name, uid, node: "n" },
    sessions: [],
    ...more,
  });

/** Just under what a frame may be, and as expensive as that may be: starts, shapes of objects, text. */
function largestHellos(pod: TokenOfPod): readonly string[] {
  const { namespace } = pod;
  const device = { namespace, name: "d".repeat(40), uid: "11111111-2222-3333-4444-555555555555" };
  const starts = Array.from({ length: 90_000 }, (_none, place) => ({ device, bucket: "login", agoMs: place }));
  const shapes = Array.from({ length: 43_000 }, (_none, place) => ({ [`k${place}`]: 0 }));
  const sessions = Array.from({ length: 1_000 }, () => ({
    device,
    epoch: "x",
    identity: { jid: 1, lid: 2, pushName: 3, platform: 4 },
    lastDisconnect: { time: 1, cause: "q", message: 3 },
    qr: { code: 1, attempt: "x", expiresAt: 3 },
  }));
  return [
    helloOf(pod, { selfGranted: starts }),
    helloOf(pod, { shapes }),
    helloOf(pod, { sessions }),
    helloOf(pod, { text: "x".repeat(15_000_000) }),
    helloOf(pod, { text: "[".repeat(2_000_000) }),
  ];
}

/** One large hello after the other, each on a link of its own. */
export async function helloAgainAndAgain(target: Target, pod: TokenOfPod, signal: AbortSignal): Promise<void> {
  const hellos = largestHellos(pod);
  for (let turn = 0; !signal.aborted; turn++) {
    const socket = dial(target, pod);
    socket.on("open", () => socket.send(hellos[turn % hellos.length] ?? ""));
    const answered = new Promise<void>((resolve) => {
      socket.once("message", () => {
        resolve();
      });
    });
    await Promise.race([answered, closed(socket, signal)]);
    socket.terminate();
  }
}

/** Milliseconds from a dial to the welcome. */
export async function dialTime(target: Target, pod: TokenOfPod): Promise<number> {
  const startedMs = performance.now();
  const socket = await linked(target, pod);
  socket.terminate();
  return performance.now() - startedMs;
}

/** As the session pod does it: another try where one did not succeed within its deadline. */
async function linked(target: Target, pod: TokenOfPod): Promise<WebSocket> {
  for (;;) {
    const socket = dial(target, pod);
    socket.on("open", () => socket.send(helloOf(pod, {})));
    const isWelcome = new Promise<boolean>((resolve) => {
      socket.once("message", (data) => {
        resolve(kindOf(data) === "welcome");
      });
    });
    if (await Promise.race([isWelcome, closed(socket).then(() => false), delay(10_000, false)])) return socket;
    socket.terminate();
    await delay(500);
  }
}

const kindOf = (data: WebSocket.RawData): string =>
  /^\{"kind":"([a-z-]+)"/.exec(Buffer.isBuffer(data) ? data.toString("utf8") : "")?.[1] ?? "";

/** So many requests for the device that the hub assigns to the pod, as fast as they go. */
export async function requestGrants(target: Target, pod: TokenOfPod, count: number): Promise<void> {
  const socket = await linked(target, pod);
  const assigned = new Promise<string>((resolve) => {
    socket.on("message", (data: Buffer) => {
      const frame: HubFrame = JSON.parse(data.toString("utf8"));
      const device = frame.kind === "assign" ? frame.assignments[0]?.device : undefined;
      if (device !== undefined)
        resolve(JSON.stringify({ kind: "grant-request", requests: [{ device, bucket: "restart" }] }));
    });
  });
  const frame = await assigned;
  for (let each = 0; each < count; each++) socket.send(frame);
  await closed(socket);
}
