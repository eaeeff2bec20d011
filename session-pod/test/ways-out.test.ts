import type { EgressContract } from "@wa/schema";
import { startSimulator, type Simulator } from "@wa/simulator";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { connectProxy, serve, socksProxy, type ProxyOptions, type TestServer } from "./egress-servers.ts";
import { SessionsBench } from "./sessions-bench.ts";
import { startSqlite, type Databases } from "./store-fixture.ts";
import { until } from "./until.ts";

const credentials = { username: "me@corp", password: "p:a s/s#w%rd" };
const peer = "33650000099";

let simulator: Simulator;
let databases: Databases;
let accounts = 0;

beforeAll(async () => {
  [simulator, databases] = await Promise.all([startSimulator(), startSqlite()]);
});
afterAll(async () => {
  await databases.stop();
  await simulator[Symbol.asyncDispose]();
});

const upstreamPort = (): number => Number(new URL(simulator.url).port);

async function opened(egress: EgressContract): Promise<SessionsBench> {
  const bench = await SessionsBench.open({ simulator, storeUrl: await databases.freshUrl(), egress, credentials });
  onTestFinished(async () => await bench[Symbol.asyncDispose]());
  return bench;
}

function closing<T extends TestServer>(server: T): T {
  onTestFinished(async () => await server.close());
  return server;
}

const proxies = [
  ["socks5", socksProxy],
  ["http", connectProxy],
] as const;

describe.each(proxies)("through a %s proxy with credentials", (protocol, start) => {
  const proxied = async (options: ProxyOptions) => {
    const proxy = closing(await start({ upstreamPort: upstreamPort(), ...options }));
    const egress: EgressContract = { kind: "proxy", protocol, host: "127.0.0.1", port: proxy.port };
    return { proxy, bench: await opened(egress) };
  };

  it("a device is linked, connects and carries text", async () => {
    accounts += 1;
    const phone = `3365000000${accounts}`;
    const { proxy, bench } = await proxied(credentials);
    await bench.link("d", phone);
    await bench.send("d", peer, "through");
    await until("the text", async () =>
      (await simulator.client.messages(peer)).some(({ from, text }) => from === phone && text === "through"),
    );
    // Linked by one connection, connected by another, and none beside the proxy.
    expect(proxy.targets).toHaveLength(2);
    expect(new Set(proxy.credentials)).toEqual(new Set([`${credentials.username}:${credentials.password}`]));
  });

  it("a wrong password is the proxy's fault and no word of it is said", async () => {
    const { bench } = await proxied({ username: "somebody", password: "else" });
    bench.assign("d", 1);
    const { lastDisconnect } = await bench.reported("d", "an end", (report) => report.lastDisconnect !== undefined);
    expect(lastDisconnect?.cause).toBe("ProxyFault");
    expect(JSON.stringify(bench.said)).not.toContain(credentials.password);
  });

  it("a refused target is the proxy's fault", async () => {
    const { bench } = await proxied({ ...credentials, refuse: protocol === "http" ? 502 : 2 });
    bench.assign("d", 1);
    const { lastDisconnect } = await bench.reported("d", "an end", (report) => report.lastDisconnect !== undefined);
    expect(lastDisconnect?.cause).toBe("ProxyFault");
  });

  it("a proxy that says nothing ends the attempt in time", async () => {
    const proxy = closing(await serve((socket) => void socket.resume()));
    const bench = await opened({ kind: "proxy", protocol, host: "127.0.0.1", port: proxy.port });
    bench.assign("d", 1);
    const { lastDisconnect } = await bench.reported("d", "an end", (report) => report.lastDisconnect !== undefined);
    expect(lastDisconnect?.cause).toBe("ProxyFault");
  });

  it("a closed port is the proxy's fault", async () => {
    const proxy = await serve(() => undefined);
    await proxy.close();
    const bench = await opened({ kind: "proxy", protocol, host: "127.0.0.1", port: proxy.port });
    bench.assign("d", 1);
    const { lastDisconnect } = await bench.reported("d", "an end", (report) => report.lastDisconnect !== undefined);
    expect(lastDisconnect?.cause).toBe("ProxyFault");
  });
});
