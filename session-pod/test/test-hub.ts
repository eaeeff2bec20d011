import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { createServer, type Server } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { hubPath, PodFrame, type AssignFrame, type HubFrame, type SessionReport, type Welcome } from "@wa/schema";
import { WebSocketServer, type WebSocket } from "ws";
import { z } from "zod";
import { until } from "./until.ts";

const run = promisify(execFile);

type Hello = Extract<PodFrame, { kind: "hello" }>;
type Egress = Extract<PodFrame, { kind: "egress" }>;

export interface TestHubOptions {
  readonly welcome: Omit<Welcome, "kind" | "version" | "term">;
}

/** An operator's hub in its place on loopback: real TLS and WebSocket, the frames of the schema, and a memory of all it heard. */
export class TestHub implements AsyncDisposable {
  readonly caPem: string;
  readonly frames: PodFrame[] = [];
  readonly authorizations: string[] = [];
  term = 1;
  assign: Omit<AssignFrame, "kind" | "term"> = { egressIPEndpoints: [], assignments: [] };
  /** Grants whatever is asked for, at once. */
  isGranting = true;
  /** Enters what a hello tells of starts, and says so; false: as a hub of the first release, which says nothing of it. */
  isCharging = true;
  /** Says this in place of a welcome. */
  answer: HubFrame | undefined;
  welcome: TestHubOptions["welcome"];
  readonly #keyPem: string;
  #server: Server | undefined;
  #sockets: WebSocketServer | undefined;
  #port = 0;
  #nonce = 0;

  static async start({ welcome }: TestHubOptions): Promise<TestHub> {
    const { caPem, keyPem } = await selfSigned();
    const hub = new TestHub(welcome, caPem, keyPem);
    await hub.up();
    return hub;
  }

  private constructor(welcome: TestHubOptions["welcome"], caPem: string, keyPem: string) {
    this.welcome = welcome;
    this.caPem = caPem;
    this.#keyPem = keyPem;
  }

  get url(): string {
    return `wss://127.0.0.1:${this.#port}${hubPath}`;
  }

  get links(): number {
    return this.#sockets?.clients.size ?? 0;
  }

  hellos(): Hello[] {
    return this.frames.filter((frame) => frame.kind === "hello");
  }

  egress(): Egress | undefined {
    return this.frames.findLast((frame) => frame.kind === "egress");
  }

  /** Newest report of a device, of whatever frame. */
  session(uid: string): SessionReport | undefined {
    const reports = this.frames.flatMap((frame) => {
      if (frame.kind === "session") return [frame.session];
      return frame.kind === "hello" ? frame.sessions : [];
    });
    return reports.findLast(({ device }) => device.uid === uid);
  }

  async reported(uid: string, state: SessionReport["state"], withinMs?: number): Promise<SessionReport> {
    const found = () => {
      const session = this.session(uid);
      return session?.state === state ? session : undefined;
    };
    return await until(`${uid} is ${state}`, found, withinMs);
  }

  /** Comes up, on the port of before if there was one. */
  async up(): Promise<void> {
    const server = createServer({ cert: this.caPem, key: this.#keyPem });
    const sockets = new WebSocketServer({ server, path: hubPath });
    sockets.on("connection", (socket, request) => this.#connected(socket, request));
    await new Promise<void>((resolve) => server.listen(this.#port, "127.0.0.1", resolve));
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    this.#port = address.port;
    this.#server = server;
    this.#sockets = sockets;
  }

  /** Cuts every link and answers no dial any more. */
  async down(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    this.cut();
    server?.closeAllConnections();
    await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())));
  }

  /** Goes silent without closing anything, as behind a network that drops every packet. */
  freeze(): void {
    for (const socket of this.#sockets?.clients ?? []) socket.pause();
  }

  cut(): void {
    for (const socket of this.#sockets?.clients ?? []) socket.terminate();
  }

  say(frame: HubFrame): void {
    this.sayText(JSON.stringify(frame));
  }

  sayText(text: string): void {
    for (const socket of this.#sockets?.clients ?? []) socket.send(text);
  }

  sayAssign(): void {
    this.say({ kind: "assign", term: this.term, ...this.assign });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
  }

  #connected(socket: WebSocket, request: IncomingMessage): void {
    this.authorizations.push(request.headers.authorization ?? "");
    const say = (frame: HubFrame): void => socket.send(JSON.stringify(frame));
    socket.on("message", (data) => {
      const frame = PodFrame.parse(JSON.parse(z.instanceof(Buffer).parse(data).toString("utf8")));
      this.frames.push(frame);
      if (frame.kind === "hello" && this.answer !== undefined) return say(this.answer);
      if (frame.kind === "hello") {
        const charged = this.isCharging ? { charged: frame.selfGranted.flatMap(({ id }) => id ?? []) } : {};
        say({ kind: "welcome", version: 1, term: this.term, ...charged, ...this.welcome });
        say({ kind: "assign", term: this.term, ...this.assign });
      }
      if (frame.kind === "grant-request" && this.isGranting) say(this.#grantAll(frame));
    });
  }

  #grantAll({ requests }: Extract<PodFrame, { kind: "grant-request" }>): HubFrame {
    const grants = requests.map(({ device, bucket }) => {
      this.#nonce += 1;
      return { device, bucket, nonce: String(this.#nonce), startInMs: 0, validForMs: 10_000 };
    });
    return { kind: "grant", term: this.term, grants };
  }
}

async function selfSigned(): Promise<{ readonly caPem: string; readonly keyPem: string }> {
  const folder = await mkdtemp(join(tmpdir(), "wa-hub-"));
  const [key, certificate] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  try {
    const request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=hub";
    const files = ["-keyout", key, "-out", certificate];
    await run("openssl", [...request.split(" "), ...files, "-addext", "subjectAltName=IP:127.0.0.1"]);
    return { caPem: await readFile(certificate, "utf8"), keyPem: await readFile(key, "utf8") };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
