import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";

const run = promisify(execFile);

/** A TCP server on loopback that knows how many of its connections are open. */
export interface TestServer {
  readonly port: number;
  readonly openSockets: () => number;
  close(): Promise<void>;
}

export async function serve(onSocket: (socket: Socket) => void, host = "127.0.0.1"): Promise<TestServer> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    onSocket(socket);
  });
  server.listen(0, host);
  await once(server, "listening");
  return {
    port: portOf(server),
    openSockets: () => sockets.size,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

export function portOf(server: { address(): AddressInfo | string | null }): number {
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the server has no port");
  return address.port;
}

/** The next bytes; by `read()`, so that the socket can be piped afterwards. Rejects at its end. */
async function nextChunk(socket: Socket): Promise<Buffer> {
  for (;;) {
    const chunk: unknown = socket.read();
    if (Buffer.isBuffer(chunk)) return chunk;
    if (socket.readableEnded || socket.destroyed) throw new Error("ended");
    await Promise.race([once(socket, "readable"), once(socket, "close")]);
  }
}

export interface ProxySeen {
  /** Hosts as the client wrote them: names, where it left resolving to the proxy. */
  readonly targets: string[];
  readonly credentials: string[];
}

export interface ProxyOptions {
  readonly username?: string;
  readonly password?: string;
  /** Where every tunnel really ends. */
  readonly upstreamPort?: number;
  /** SOCKS reply or HTTP status instead of a tunnel. */
  readonly refuse?: number;
  /** Sent with the head of a CONNECT answer, in the same segment. */
  readonly early?: string;
}

function pipe(socket: Socket, port: number, onOpen: () => void): void {
  const upstream = connect(port, "127.0.0.1", () => {
    onOpen();
    socket.pipe(upstream).pipe(socket);
  });
  upstream.on("error", () => socket.destroy());
  upstream.on("close", () => socket.destroy());
  socket.on("close", () => upstream.destroy());
}

/** SOCKS5 (RFC 1928, 1929) as far as a client needs it. */
export async function socksProxy(options: ProxyOptions): Promise<TestServer & ProxySeen> {
  const seen: ProxySeen = { targets: [], credentials: [] };
  const server = await serve((socket) => void talkSocks(socket, options, seen).catch(() => socket.destroy()));
  return { ...server, ...seen };
}

async function talkSocks(socket: Socket, options: ProxyOptions, seen: ProxySeen): Promise<void> {
  const read = () => nextChunk(socket);
  const methods = (await read()).subarray(2);
  const method = options.username === undefined ? 0 : 2;
  if (!methods.includes(method)) return void socket.end(Buffer.of(5, 0xff));
  socket.write(Buffer.of(5, method));
  if (method === 2) {
    const login = await read();
    const nameEnd = 2 + (login[1] ?? 0);
    const given = `${login.subarray(2, nameEnd).toString()}:${login.subarray(nameEnd + 1).toString()}`;
    seen.credentials.push(given);
    const isRight = given === `${options.username}:${options.password}`;
    socket.write(Buffer.of(1, isRight ? 0 : 1));
    if (!isRight) return void socket.end();
  }
  seen.targets.push(socksTarget(await read()));
  const reply = (code: number) => Buffer.of(5, code, 0, 1, 127, 0, 0, 1, 0, 0);
  if (options.refuse !== undefined) return void socket.end(reply(options.refuse));
  pipe(socket, options.upstreamPort ?? 0, () => socket.write(reply(0)));
}

function socksTarget(request: Buffer): string {
  const port = request.readUInt16BE(request.length - 2);
  const address = request.subarray(4, request.length - 2);
  if (request[3] === 3) return `${address.subarray(1).toString()}:${port}`;
  if (request[3] === 1) return `${[...address].join(".")}:${port}`;
  return `[${address.toString("hex")}]:${port}`;
}

/** An HTTP proxy that knows CONNECT alone. */
export async function connectProxy(
  options: ProxyOptions & { readonly status?: string; readonly host?: string },
): Promise<TestServer & ProxySeen> {
  const seen: ProxySeen = { targets: [], credentials: [] };
  const server = await serve(
    (socket) => void talkConnect(socket, options, seen).catch(() => socket.destroy()),
    options.host,
  );
  return { ...server, ...seen };
}

async function talkConnect(
  socket: Socket,
  options: ProxyOptions & { readonly status?: string },
  seen: ProxySeen,
): Promise<void> {
  let head = "";
  while (!head.includes("\r\n\r\n")) head += (await nextChunk(socket)).toString("latin1");
  seen.targets.push(/^CONNECT (\S+)/.exec(head)?.[1] ?? "");
  const basic = /Proxy-Authorization: Basic (\S+)/.exec(head)?.[1] ?? "";
  seen.credentials.push(Buffer.from(basic, "base64").toString("utf8"));
  const refused = refusalOf(options, seen.credentials.at(-1));
  if (refused !== undefined) return void socket.end(`HTTP/1.1 ${refused} No\r\nContent-Length: 0\r\n\r\n`);
  const { status = "200 Connection established", early = "", upstreamPort } = options;
  const answer = `HTTP/1.1 ${status}\r\nVia: test\r\n\r\n${early}`;
  if (upstreamPort === undefined) socket.write(answer);
  else pipe(socket, upstreamPort, () => socket.write(answer));
}

function refusalOf({ username, password, refuse }: ProxyOptions, given: string | undefined): number | undefined {
  return username !== undefined && given !== `${username}:${password}` ? 407 : refuse;
}

/** A port whose system answers no SYN: its accept queue is full and the only thread that could empty it stands still. */
export async function fullQueue(): Promise<TestServer> {
  const worker = new Worker(
    `const { parentPort } = require("node:worker_threads");
     const server = require("node:net").createServer();
     server.listen(0, "127.0.0.1", 1, () => {
       parentPort.postMessage(server.address().port);
       setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
     });`,
    { eval: true },
  );
  const [message]: unknown[] = await once(worker, "message");
  const port = Number(message);
  const fillers = Array.from({ length: 4 }, () => connect(port, "127.0.0.1").on("error", () => undefined));
  await new Promise((resolve) => setTimeout(resolve, 200));
  return {
    port,
    openSockets: () => 0,
    close: async () => {
      for (const filler of fillers) filler.destroy();
      await worker.terminate();
    },
  };
}

export interface Certificate {
  readonly key: string;
  /** Its own issuer. */
  readonly cert: string;
}

/** A self-signed certificate for a name, by openssl. */
export async function selfSigned(name: string): Promise<Certificate> {
  const folder = await mkdtemp(join(tmpdir(), "wa-cert-"));
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
  const subject = ["-subj", `/CN=${name}`, "-addext", `subjectAltName=DNS:${name}`];
  try {
    await run("openssl", ["req", "-x509", "-nodes", "-days", "2", ...curve, ...subject, "-keyout", key, "-out", cert]);
    return { key: await readFile(key, "utf8"), cert: await readFile(cert, "utf8") };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
