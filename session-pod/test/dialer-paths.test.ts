import { createServer as createHttpServer } from "node:http";
import { createServer as createHttpsServer, request as httpsRequest } from "node:https";
import { once } from "node:events";
import type { Duplex } from "node:stream";
import { getGlobalDispatcher, setGlobalDispatcher } from "undici";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import type { DialerOptions } from "../src/egress/create-dialer.ts";
import { dialer, failure, name, phaseMs, proxy, silent, through } from "./dialer-fixture.ts";
import { connectProxy, portOf, selfSigned, socksProxy, type Certificate } from "./egress-servers.ts";

describe("what the client library uses", () => {
  async function httpsTarget(certificate: Certificate): Promise<{ port: number; connections: () => number }> {
    const server = createHttpsServer(certificate, (request, response) => {
      request.resume().on("end", () => response.end(`${request.method} ${request.url}`));
    });
    const sockets = new WebSocketServer({ server });
    sockets.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
    const open = new Set<Duplex>();
    server.on("connection", (socket) => {
      open.add(socket);
      socket.on("close", () => open.delete(socket));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => {
      sockets.close();
      server.closeAllConnections();
      for (const socket of open) socket.destroy();
      server.close();
    });
    return { port: portOf(server), connections: () => open.size };
  }

  async function setUp(changes: Partial<DialerOptions> = {}) {
    const certificate = await selfSigned(name);
    const target = await httpsTarget(certificate);
    const server = through(await socksProxy({ upstreamPort: target.port }));
    const out = dialer({ egress: proxy("socks5", server.port), caPem: certificate.cert, ...changes });
    return { out, server, target };
  }

  async function answerOf(socket: WebSocket): Promise<string> {
    await once(socket, "open");
    socket.send("ping");
    const [data]: unknown[] = await once(socket, "message");
    return String(data);
  }

  it("wss goes by the proxy, and the agent reports its stream", async () => {
    const { out, server } = await setUp();
    const streams: Duplex[] = [];
    const agent = out.webSocketAgent((stream) => streams.push(stream));
    const socket = new WebSocket(`wss://${name}/ws/chat`, { agent });
    expect(await answerOf(socket)).toBe("ping");
    expect(server.targets).toEqual([`${name}:443`]);
    expect(streams).toHaveLength(1);
    streams[0]?.destroy();
    await once(socket, "close");
    await vi.waitFor(() => expect(server.openSockets()).toBe(0));
  });

  it("a corked stream holds what the WebSocket sends until it is uncorked", async () => {
    const { out } = await setUp();
    const streams: Duplex[] = [];
    const socket = new WebSocket(`wss://${name}/`, { agent: out.webSocketAgent((stream) => streams.push(stream)) });
    await once(socket, "open");
    const answer = once(socket, "message").then(() => "answered");
    streams[0]?.cork();
    socket.send("held");
    const first = await Promise.race([answer, new Promise((resolve) => setTimeout(resolve, 300, "silence"))]);
    expect(first).toBe("silence");
    streams[0]?.uncork();
    expect(await answer).toBe("answered");
    socket.terminate();
  });

  it("ws, without TLS, goes by the same agent", async () => {
    const http = createHttpServer();
    const sockets = new WebSocketServer({ server: http });
    sockets.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    onTestFinished(() => void http.close());
    const server = through(await socksProxy({ upstreamPort: portOf(http) }));
    const agent = dialer({ egress: proxy("socks5", server.port) }).webSocketAgent(() => undefined);
    const socket = new WebSocket(`ws://${name}/`, { agent });
    expect(await answerOf(socket)).toBe("ping");
    expect(server.targets).toEqual([`${name}:80`]);
    socket.terminate();
  });

  it("a refused CONNECT is the WebSocket's error as it is, not an answer of WhatsApp's", async () => {
    const server = through(await connectProxy({ refuse: 403 }));
    const agent = dialer({ egress: proxy("http", server.port) }).webSocketAgent(() => undefined);
    const socket = new WebSocket(`wss://${name}/`, { agent });
    const [error]: unknown[] = await once(socket, "error");
    expect(error).toMatchObject({ name: "EgressError", phase: "proxy", code: "403" });
  });

  it("a WebSocket terminated while the proxy is silent leaves no socket behind", async () => {
    const server = through(await silent());
    const agent = dialer({ egress: proxy("http", server.port) }).webSocketAgent(() => undefined);
    const socket = new WebSocket(`wss://${name}/`, { agent });
    socket.on("error", () => undefined);
    await vi.waitFor(() => expect(server.openSockets()).toBe(1));
    socket.terminate();
    await vi.waitFor(() => expect(server.openSockets()).toBe(0), { timeout: phaseMs * 3 });
  });

  it("uploads by node:https go by fetchAgent", async () => {
    const { out, server } = await setUp();
    const request = httpsRequest(`https://${name}/upload`, { method: "POST", agent: out.fetchAgent }).end("media");
    const [response] = await once(request, "response");
    expect(Buffer.concat(await response.toArray()).toString()).toBe("POST /upload");
    expect(server.targets).toEqual([`${name}:443`]);
  });

  it("Node's fetch goes by the dispatcher, given to it or set for all", async () => {
    const { out, server } = await setUp();
    const init: object = { dispatcher: out.dispatcher };
    expect(await (await fetch(`https://${name}/a`, init)).text()).toBe("GET /a");
    const before = getGlobalDispatcher();
    setGlobalDispatcher(out.dispatcher);
    try {
      expect(await (await fetch(`https://${name}/b`)).text()).toBe("GET /b");
    } finally {
      setGlobalDispatcher(before);
    }
    expect(new Set(server.targets)).toEqual(new Set([`${name}:443`]));
  });

  it("a dispatcher's failure is typed too", async () => {
    const out = dialer({ egress: proxy("socks5", 1) });
    const init: object = { dispatcher: out.dispatcher };
    const error: unknown = await fetch(`https://${name}/`, init).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ cause: { name: "EgressError", phase: "tcp", code: "ECONNREFUSED" } });
  });

  it.each([
    ["its issuer is unknown", name, undefined, "DEPTH_ZERO_SELF_SIGNED_CERT"],
    ["its name is another", "other.test", "own", "ERR_TLS_CERT_ALTNAME_INVALID"],
  ])("a certificate is refused where %s", async (_case, host, trust, code) => {
    const certificate = await selfSigned(name);
    const target = await httpsTarget(certificate);
    const server = through(await socksProxy({ upstreamPort: target.port }));
    const ca = trust === undefined ? {} : { caPem: certificate.cert };
    const error = await failure(
      dialer({ egress: proxy("socks5", server.port), ...ca }).connect({ host, port: 443, tls: true }),
    );
    expect([error.phase, error.code]).toEqual(["tls", code]);
    await vi.waitFor(() => expect([server.openSockets(), target.connections()]).toEqual([0, 0]));
  });
});

describe("the observed address", () => {
  async function echo(body: string, status = 200): Promise<string> {
    const server = createHttpServer((_request, response) => response.writeHead(status).end(body));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    return `http://127.0.0.1:${portOf(server)}/`;
  }

  it.each([
    ["203.0.113.7\n", "203.0.113.7"],
    ["2001:db8::7", "2001:db8::7"],
  ])("is what the echo answers: %j", async (body, expected) => {
    expect(await dialer({ egress: { kind: "direct" } }).observeIP([await echo(body)])).toBe(expected);
  });

  it("is asked for through the proxy, and is the proxy's", async () => {
    const url = await echo("198.51.100.9");
    const server = through(await socksProxy({ upstreamPort: Number(new URL(url).port) }));
    const out = dialer({ egress: proxy("socks5", server.port) });
    expect(await out.observeIP([`http://echo.test/`])).toBe("198.51.100.9");
    expect(server.targets).toEqual(["echo.test:80"]);
    await vi.waitFor(() => expect(server.openSockets()).toBe(0));
  });

  it("comes from the next echo where one refuses, lies or talks too much", async () => {
    const urls = [
      "http://127.0.0.1:1/",
      await echo("203.0.113.1", 503),
      await echo("<html>203.0.113.1</html>"),
      await echo("1".repeat(100_000)),
      await echo("203.0.113.9"),
    ];
    expect(await dialer({ egress: { kind: "direct" } }).observeIP(urls)).toBe("203.0.113.9");
  });

  it("is an error where none answers: the way out's, or the echo's", async () => {
    const out = dialer({ egress: { kind: "direct" } });
    expect((await failure(out.observeIP(["http://127.0.0.1:1/"]))).code).toBe("ECONNREFUSED");
    await expect(out.observeIP([await echo("no address")])).rejects.toThrow(/not an IP address/);
    await expect(out.observeIP([])).rejects.toThrow(/none is configured/);
  });
});
