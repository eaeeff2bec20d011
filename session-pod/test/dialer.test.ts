import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EgressContract } from "@wa/schema";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createDialer } from "../src/egress/create-dialer.ts";
import { mountedCredentials } from "../src/egress/credentials.ts";
import { defaultTimeouts } from "../src/egress/phase.ts";
import { answers, dialer, echoTarget, failure, name, phaseMs, proxy, silent, through } from "./dialer-fixture.ts";
import { connectProxy, fullQueue, serve, socksProxy, type TestServer } from "./egress-servers.ts";

const password = "p@ss:w/rd#1 50%25 ü";

interface Fault {
  readonly egress: EgressContract;
  readonly server?: TestServer;
  readonly tls?: boolean;
  readonly host?: string;
  readonly port?: number;
}

const closing = () => serve((socket) => void socket.once("data", () => socket.end()));

const faults: readonly (readonly [string, string, string, () => Promise<Fault>])[] = [
  [
    "a name that does not exist",
    "dns",
    "ENOTFOUND",
    async () => ({ egress: { kind: "direct" }, host: "no.such.invalid" }),
  ],
  [
    "a proxy whose name does not exist",
    "dns",
    "ENOTFOUND",
    async () => ({ egress: proxy("socks5", 1080, "no.such.invalid") }),
  ],
  ["a proxy that refuses", "tcp", "ECONNREFUSED", async () => ({ egress: proxy("socks5", 1) })],
  [
    "a target that refuses",
    "tcp",
    "ECONNREFUSED",
    async () => ({ egress: { kind: "direct" }, host: "127.0.0.1", port: 1 }),
  ],
  [
    "a target that refuses on both address families",
    "tcp",
    "ECONNREFUSED",
    async () => ({ egress: { kind: "direct" }, host: "localhost", port: 1 }),
  ],
  [
    "a host that answers no SYN",
    "tcp",
    "Timeout",
    async () => {
      const server = await fullQueue();
      return { server, egress: proxy("socks5", server.port) };
    },
  ],
  ...[1, 2, 3, 4, 5, 6, 7, 8, 9].map((reply): (typeof faults)[number] => [
    `a SOCKS proxy that replies ${reply}`,
    "proxy",
    [
      "Failure",
      "NotAllowed",
      "NetworkUnreachable",
      "HostUnreachable",
      "ConnectionRefused",
      "TTLExpired",
      "CommandNotSupported",
      "AddressNotSupported",
      "UnknownReply",
    ][reply - 1] ?? "",
    async () => {
      const server = await socksProxy({ refuse: reply });
      return { server, egress: proxy("socks5", server.port) };
    },
  ]),
  ...[400, 403, 407, 429, 502, 503].map((status): (typeof faults)[number] => [
    `an HTTP proxy that answers ${status}`,
    "proxy",
    String(status),
    async () => {
      const server = await connectProxy({ refuse: status });
      return { server, egress: proxy("http", server.port) };
    },
  ]),
  ...(["socks5", "http"] as const).flatMap((protocol): (typeof faults)[number][] => [
    [
      `a ${protocol} proxy that never answers`,
      "proxy",
      "Timeout",
      async () => {
        const server = await silent();
        return { server, egress: proxy(protocol, server.port) };
      },
    ],
    [
      `a ${protocol} proxy that closes instead of answering`,
      "proxy",
      "ConnectionClosed",
      async () => {
        const server = await closing();
        return { server, egress: proxy(protocol, server.port) };
      },
    ],
    [
      `a ${protocol} proxy that resets instead of answering`,
      "proxy",
      "ECONNRESET",
      async () => {
        const server = await serve((socket) => void socket.once("data", () => socket.resetAndDestroy()));
        return { server, egress: proxy(protocol, server.port) };
      },
    ],
    [
      `a ${protocol} proxy that speaks something else`,
      "proxy",
      "MalformedReply",
      async () => {
        const server = await serve((socket) => void socket.resume().write("SSH-2.0-OpenSSH_9.2\r\n\r\n"));
        return { server, egress: proxy(protocol, server.port) };
      },
    ],
  ]),
  [
    "a SOCKS proxy that wants a password where none is set",
    "proxy",
    "NoAcceptableAuth",
    async () => {
      const server = await socksProxy({ username: "user", password });
      return { server, egress: proxy("socks5", server.port) };
    },
  ],
  [
    "a target that accepts and never speaks TLS",
    "tls",
    "Timeout",
    async () => {
      const server = await silent();
      return { server, egress: { kind: "direct" }, host: "127.0.0.1", port: server.port, tls: true };
    },
  ],
  [
    "a target that closes in the TLS handshake",
    "tls",
    "ECONNRESET",
    async () => {
      const server = await closing();
      return { server, egress: { kind: "direct" }, host: "127.0.0.1", port: server.port, tls: true };
    },
  ],
];

describe("every fault comes back typed, within its deadline, with no socket left", () => {
  it.each(faults)("%s: %s %s", async (_case, phase, code, arrange) => {
    const { server, egress, tls = false, host = name, port = 443 } = await arrange();
    if (server) through(server);
    const startedMs = performance.now();
    const error = await failure(dialer({ egress }).connect({ host, port, tls }));
    expect([error.phase, error.code]).toEqual([phase, code]);
    // On a busy machine late, and still well within the deadline that a phase has unless it is told another.
    expect(performance.now() - startedMs).toBeLessThan(Math.min(...Object.values(defaultTimeouts)));
    await vi.waitFor(() => expect(server?.openSockets() ?? 0).toBe(0));
  });

  it("gives up after the caller's own time, which covers all phases", async () => {
    const server = through(await silent());
    const slow = dialer({ egress: proxy("socks5", server.port), timeouts: { proxy: 60_000 } });
    const error = await failure(slow.connect({ host: name, port: 443, tls: false }, { timeoutMs: 150 }));
    expect([error.phase, error.code]).toEqual(["proxy", "Timeout"]);
    await vi.waitFor(() => expect(server.openSockets()).toBe(0));
  });

  it("gives up what is under way when it is closed, and leaves alone what it handed over", async () => {
    const server = through(await silent());
    const target = await echoTarget();
    const direct = createDialer({ egress: { kind: "direct" } });
    const stream = await direct.connect({ host: "127.0.0.1", port: target.port, tls: false });
    const pending = failure(direct.connect({ host: "127.0.0.1", port: server.port, tls: true }));
    await vi.waitFor(() => expect(server.openSockets()).toBe(1));
    await direct.close();
    expect((await pending).code).toBe("Aborted");
    await vi.waitFor(() => expect(server.openSockets()).toBe(0));
    expect(await answers(stream, "still here")).toBe("still here");
    stream.destroy();
  });

  it("keeps a quiet connection long after its deadlines", async () => {
    const target = await echoTarget();
    const server = through(await socksProxy({ upstreamPort: target.port }));
    const stream = await dialer({ egress: proxy("socks5", server.port) }).connect({ host: name, port: 80, tls: false });
    await new Promise((resolve) => setTimeout(resolve, phaseMs * 5));
    expect(await answers(stream, "hello")).toBe("hello");
    stream.destroy();
  });
});

describe.each(["socks5", "http"] as const)("by a %s proxy", (protocol) => {
  const start = protocol === "socks5" ? socksProxy : connectProxy;
  const credentials = { username: "us:er@x", password };

  it("the proxy gets the target's name, not an address, and resolves it", async () => {
    const target = await echoTarget();
    const server = through(await start({ upstreamPort: target.port }));
    const stream = await dialer({ egress: proxy(protocol, server.port) }).connect({ host: name, port: 80, tls: false });
    expect(await answers(stream, "hello")).toBe("hello");
    expect(server.targets).toEqual([`${name}:80`]);
    stream.destroy();
  });

  it("takes a password of special characters, asked anew at each connection", async () => {
    const target = await echoTarget();
    const readCredentials = vi
      .fn()
      .mockResolvedValueOnce({ ...credentials, password: "old" })
      .mockResolvedValue(credentials);
    const rightName = protocol === "http" ? { username: "user" } : {};
    const server = through(await start({ ...credentials, ...rightName, upstreamPort: target.port }));
    const read = async () => ({ ...(await readCredentials()), ...rightName });
    const out = dialer({ egress: proxy(protocol, server.port), readCredentials: read });
    const error = await failure(out.connect({ host: name, port: 80, tls: false }));
    expect([error.phase, error.code]).toEqual(["proxy", protocol === "socks5" ? "AuthenticationFailed" : "407"]);
    const stream = await out.connect({ host: name, port: 80, tls: false });
    expect(await answers(stream, "hello")).toBe("hello");
    expect(server.credentials.at(-1)).toContain(`:${password}`);
    stream.destroy();
  });

  it("says nothing of the credentials in an error", async () => {
    const server = through(await start({ username: "right", password: "right" }));
    const readCredentials = async () => ({ username: "usr-secret", password: "pw-secret" });
    const error = await failure(
      dialer({ egress: proxy(protocol, server.port), readCredentials }).connect({ host: name, port: 80, tls: false }),
    );
    const all =
      JSON.stringify([error, Object.getOwnPropertyDescriptors(error)]) + String(error.stack) + String(error.cause);
    expect(all).not.toMatch(/usr-secret|pw-secret/);
  });

  it("sends an IPv6 literal as one", async () => {
    const target = await echoTarget();
    const server = through(await start({ upstreamPort: target.port }));
    const stream = await dialer({ egress: proxy(protocol, server.port) }).connect({
      host: "[::1]",
      port: 80,
      tls: false,
    });
    expect(server.targets).toEqual([protocol === "http" ? "[::1]:80" : "[00000000000000000000000000000001]:80"]);
    stream.destroy();
  });
});

it("reaches a proxy at an IPv6 literal", async () => {
  const target = await echoTarget();
  const server = through(await connectProxy({ upstreamPort: target.port, host: "::1" }));
  const stream = await dialer({ egress: proxy("http", server.port, "[::1]") }).connect({
    host: name,
    port: 1,
    tls: false,
  });
  expect(await answers(stream, "hello")).toBe("hello");
  stream.destroy();
});

it.each(["201 Created", "204 No Content", "200"])("takes %s as an answer to CONNECT", async (status) => {
  const target = await echoTarget();
  const server = through(await connectProxy({ upstreamPort: target.port, status }));
  const stream = await dialer({ egress: proxy("http", server.port) }).connect({ host: name, port: 80, tls: false });
  expect(await answers(stream, "hello")).toBe("hello");
  stream.destroy();
});

it("loses nothing that arrives together with the answer to CONNECT", async () => {
  const server = through(await connectProxy({ early: "220 ready" }));
  const stream = await dialer({ egress: proxy("http", server.port) }).connect({ host: name, port: 25, tls: false });
  const [chunk]: unknown[] = await once(stream, "data");
  expect(String(chunk)).toBe("220 ready");
  stream.destroy();
});

describe("the mounted Secret", () => {
  let folder = "";
  const keys = { usernameKey: "user", passwordKey: "pass" };
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it("is read whole, but for the line's end that files have", async () => {
    folder = await mkdtemp(join(tmpdir(), "wa-secret-"));
    await writeFile(join(folder, "user"), "me");
    await writeFile(join(folder, "pass"), ` ${password} \n`);
    expect(await mountedCredentials(folder, keys)()).toEqual({ username: "me", password: ` ${password} ` });
  });

  it("is told apart: absent, and without a key", async () => {
    folder = await mkdtemp(join(tmpdir(), "wa-secret-"));
    expect((await failure(mountedCredentials(folder, keys)())).code).toBe("ProxySecretMissing");
    expect((await failure(mountedCredentials(join(folder, "none"), keys)())).code).toBe("ProxySecretMissing");
    await mkdir(join(folder, "..2026_11_24_00_00_00.1"));
    await symlink("..2026_11_24_00_00_00.1", join(folder, "..data"));
    expect((await failure(mountedCredentials(folder, keys)())).code).toBe("ProxySecretMissing");
    await writeFile(join(folder, "user"), "me");
    expect((await failure(mountedCredentials(folder, keys)())).code).toBe("ProxySecretKeyMissing");
  });
});
