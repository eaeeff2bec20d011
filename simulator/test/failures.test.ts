import { Agent } from "node:https";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { z } from "zod";
import { startSimulator, type Scenario, type Simulator } from "../src/index.ts";
import { BaileysClient, linkedDevice, newMemory, trustRoot, until } from "./baileys-client.ts";

/**
 * How the unmodified client reports what the simulator does to it. Who classifies disconnects builds on this table, so a
 * change of it, by us or by a new client version, must be seen.
 */
let simulator: Simulator;
beforeAll(async () => {
  simulator = await startSimulator({ tlsPort: 0 });
  trustRoot(simulator.rootKeyHex);
});
beforeEach(async () => await simulator.client.clearScenario());
afterAll(async () => await simulator[Symbol.asyncDispose]());

type Input = z.input<typeof Scenario>;
type Rule = NonNullable<Input["rules"]>[number];

const at = (stage: Rule["stage"], action: Rule["action"]): Input => ({ rules: [{ stage, action }] });
const failure = (attrs: Record<string, string>): Input => at("finish", { kind: "failure", attrs });

const reasons = [400, 401, 402, 403, 405, 406, 409, 411, 412, 413, 414, 415, 418, 500, 501, 503];

const table: readonly (readonly [string, Input, { code: number | undefined; message: string; data?: unknown }])[] = [
  ...reasons.map(
    (reason) =>
      [
        `failure ${reason}`,
        failure({ reason: String(reason), location: "frc" }),
        { code: reason, message: "Connection Failure", data: { reason: String(reason), location: "frc" } },
      ] as const,
  ),
  [
    "a ban with its code and end",
    failure({ reason: "402", location: "frc", code: "101", expire: "3600" }),
    { code: 402, message: "Connection Failure", data: { reason: "402", location: "frc", code: "101", expire: "3600" } },
  ],
  [
    "a failure without a reason",
    failure({ location: "odn" }),
    { code: 500, message: "Connection Failure", data: { location: "odn" } },
  ],
  [
    "a client below the minimum version",
    { minimumVersion: "2.3001.0" },
    { code: 405, message: "Connection Failure", data: { reason: "405", location: "frc" } },
  ],
  [
    "stream error 515",
    at("finish", { kind: "stream-error", attrs: { code: "515" } }),
    { code: 515, message: "Stream Errored (restart required)" },
  ],
  [
    "stream error 503",
    at("finish", { kind: "stream-error", attrs: { code: "503" } }),
    { code: 503, message: "Stream Errored (unknown)" },
  ],
  [
    "a conflict without a code",
    at("finish", { kind: "stream-error", child: { tag: "conflict", attrs: { type: "replaced" } } }),
    { code: 440, message: "Stream Errored (conflict)" },
  ],
  [
    "a malformed stanza",
    at("finish", { kind: "stream-error", child: { tag: "xml-not-well-formed" } }),
    { code: 500, message: "Stream Errored (xml-not-well-formed)" },
  ],
  ["silence before the server's hello", at("hello", { kind: "silence" }), { code: 408, message: "Timed Out" }],
  ["a close after the client's hello", at("hello", { kind: "close" }), { code: 428, message: "Connection Terminated" }],
  ["a reset after the client's hello", at("hello", { kind: "reset" }), { code: 428, message: "Connection Terminated" }],
  [
    "a length of a frame that never ends, before the server's hello",
    at("hello", { kind: "announce" }),
    { code: 408, message: "Timed Out" },
  ],
  [
    "a message of WebSocket longer than it takes",
    at("hello", { kind: "announce", layer: "websocket", bytes: 2 ** 30 }),
    { code: 500, message: "WebSocket Error (Max payload size exceeded)" },
  ],
  [
    "a message of WebSocket longer than there are numbers",
    at("finish", { kind: "announce", layer: "websocket", bytes: Number.MAX_SAFE_INTEGER }),
    { code: 500, message: "WebSocket Error (Max payload size exceeded)" },
  ],
  [
    "bytes that are no WebSocket",
    at("finish", { kind: "garbage", layer: "websocket" }),
    { code: 500, message: "WebSocket Error (Invalid WebSocket frame: RSV2 and RSV3 must be clear)" },
  ],
  ["a close after the handshake", at("finish", { kind: "close" }), { code: 428, message: "Connection Terminated" }],
  ["a reset after the handshake", at("finish", { kind: "reset" }), { code: 428, message: "Connection Terminated" }],
  [
    "a reset of the upgrade",
    at("upgrade", { kind: "reset" }),
    { code: 408, message: "WebSocket Error (read ECONNRESET)" },
  ],
  [
    "a close of the upgrade",
    at("upgrade", { kind: "close" }),
    { code: 408, message: "WebSocket Error (socket hang up)" },
  ],
  ["a blocked source", { blockedSources: ["127.0.0.1"] }, { code: 408, message: "WebSocket Error (read ECONNRESET)" }],
  [
    "silence at the upgrade",
    at("upgrade", { kind: "silence" }),
    { code: 408, message: "WebSocket Error (Opening handshake has timed out)" },
  ],
];

describe("a start ends as the library reports it", () => {
  it.for(table)("%s", async ([, scenario, expected]) => {
    await simulator.client.setScenario(scenario);
    const client = new BaileysClient(simulator.url, newMemory(), { connectTimeoutMs: 1_000 });
    expect(await client.ended()).toMatchObject(expected);
  });

  it("garbage in place of HTTP is a parse error", async () => {
    await simulator.client.setScenario(at("upgrade", { kind: "garbage" }));
    const client = new BaileysClient(simulator.url, newMemory());
    const end = await client.ended();
    expect(end.code).toBe(500);
    expect(end.message).toContain("Parse Error");
  });

  it.for([301, 401, 403, 404, 407, 429, 500, 503])(
    "an upgrade answered %i is no event at all, but the listener's",
    async (status) => {
      await simulator.client.setScenario(at("upgrade", { kind: "http", status }));
      await using client = new BaileysClient(simulator.url, newMemory(), { connectTimeoutMs: 300 });
      const seen = await new Promise<number | undefined>((resolve) => {
        client.socket.ws.on("unexpected-response", (_request: unknown, response: { statusCode?: number }) =>
          resolve(response.statusCode),
        );
      });
      expect(seen).toBe(status);
      await new Promise((resolve) => setTimeout(resolve, 500));
      expect(client.end).toBeUndefined();
    },
  );

  it("a delay is waited for and changes nothing else", async () => {
    await simulator.client.setScenario({ rules: [{ stage: "hello", delayMs: 300, action: { kind: "delay" } }] });
    const began = performance.now();
    await using client = new BaileysClient(simulator.url, newMemory());
    await client.qr();
    expect(performance.now() - began).toBeGreaterThan(300);
  });

  it("more starts than the limit from one address are refused at the upgrade, and only those", async () => {
    await using limited = await startSimulator();
    await limited.client.setScenario({ startLimit: { count: 2, periodMs: 60_000 } });
    trustRoot(limited.rootKeyHex);
    for (const _start of [1, 2]) {
      await using client = new BaileysClient(limited.url, newMemory());
      await client.qr();
    }
    await using third = new BaileysClient(limited.url, newMemory());
    const status = await new Promise((resolve) => {
      third.socket.ws.on("unexpected-response", (_request: unknown, response: { statusCode?: number }) =>
        resolve(response.statusCode),
      );
    });
    expect(status).toBe(429);
    trustRoot(simulator.rootKeyHex);
  });
});

/** Waits for a rejection that nobody caught, in place of the test runner, which takes it for a failed test. */
async function uncaught(work: () => Promise<unknown>): Promise<string> {
  const runners = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  const messages: string[] = [];
  const note = (error: unknown): void => void messages.push(error instanceof Error ? error.message : "no error");
  process.on("unhandledRejection", note);
  try {
    await work();
    await until("a rejection that nobody caught", () => messages.length > 0);
    return messages[0] ?? "";
  } finally {
    process.off("unhandledRejection", note);
    for (const runner of runners) process.on("unhandledRejection", runner);
  }
}

describe("a frame that cannot be read is no event at all, but a rejection that nobody catches:", () => {
  const undecryptable = "Unsupported state or unable to authenticate data";
  it.for([
    ["garbage", { kind: "garbage" }, undecryptable],
    ["a wrong tag", { kind: "undecryptable" }, undecryptable],
    ["a wrong counter", { kind: "undecryptable", fault: "counter" }, undecryptable],
    ["a body that does not inflate", { kind: "broken-zlib" }, "invalid block type"],
    ["a body that inflates to megabytes, which it takes whole", { kind: "zip-bomb", mebibytes: 8 }, "invalid node"],
  ] as const)("%s", async ([, action, message]) => {
    let client: BaileysClient | undefined;
    const begin = async (): Promise<void> => {
      await simulator.client.setScenario(at("finish", action));
      client = new BaileysClient(simulator.url, newMemory());
    };
    expect(await uncaught(begin)).toContain(message);
    expect(client?.end).toBeUndefined();
    await client?.[Symbol.asyncDispose]();
  });
});

describe("a pairing ends as the library reports it", () => {
  it.for([
    ["in place of success", at("scanned", { kind: "failure", attrs: { reason: "403" } }), 403],
    ["in place of the restart", at("paired", { kind: "close" }), 428],
  ] as const)("%s", async ([, scenario, code]) => {
    const client = new BaileysClient(simulator.url, newMemory());
    const qr = await client.qr();
    await simulator.client.setScenario(scenario);
    await simulator.client.scan("33600000101", qr);
    expect((await client.ended()).code).toBe(code);
  });
});

describe("an open connection ends as the library reports it", () => {
  it("by a stream error the moment that the scenario is put, for the one account that it names", async () => {
    await using client = await linkedDevice(simulator, "33600000102");
    await using other = await linkedDevice(simulator, "33600000103");
    await simulator.client.setScenarioOf("33600000102", {
      rules: [{ stage: "open", times: 1, action: { kind: "stream-error", attrs: { code: "516" } } }],
    });
    expect(await client.ended()).toMatchObject({ code: 516, message: "Stream Errored (unknown)" });
    expect(other.isOpen).toBe(true);
    await using again = new BaileysClient(simulator.url, client.memory);
    await again.opened();
  });

  it("by a fault in place of a message, which comes at the next login", async () => {
    const phone = "33600000107";
    const client = await linkedDevice(simulator, phone);
    await simulator.client.setScenarioOf(phone, {
      rules: [{ stage: "delivery", times: 1, action: { kind: "reset" } }],
    });
    await simulator.client.text("33600000108", phone, "hello");
    expect(await client.ended()).toMatchObject({ code: 428, message: "Connection Terminated" });
    await using again = new BaileysClient(simulator.url, client.memory);
    await until("the text", () => again.texts.some(({ text }) => text === "hello"));
  });

  it("by silence as a lost connection, after the client's keep-alive", async () => {
    await using client = await linkedDevice(simulator, "33600000104", { keepAliveIntervalMs: 1_000 });
    await simulator.client.setScenarioOf("33600000104", { rules: [{ stage: "open", action: { kind: "silence" } }] });
    expect(await client.ended(20_000)).toMatchObject({ code: 408, message: "Connection was lost" });
  });

  it("when nothing was heard of it for the idle time", async () => {
    await using impatient = await startSimulator({ idleMs: 400 });
    const client = new BaileysClient(impatient.url, newMemory());
    trustRoot(impatient.rootKeyHex);
    await client.qr();
    expect(await client.ended()).toMatchObject({ code: 428, message: "Connection Terminated" });
    trustRoot(simulator.rootKeyHex);
  });

  it("not by a query that fails", async () => {
    await using client = await linkedDevice(simulator, "33600000105");
    await simulator.client.setScenarioOf("33600000105", {
      rules: [{ stage: "iq", xmlns: "blocklist", action: { kind: "iq-error", code: "500" } }],
    });
    await expect(client.socket.fetchBlocklist()).rejects.toThrow();
    expect(client.isOpen).toBe(true);
  });
});

describe("wss", () => {
  it("pairs over TLS that the simulator's own CA vouches for, and the connection is marked", async () => {
    const memory = newMemory();
    const config = { agent: new Agent({ ca: simulator.caPem }) };
    const pairing = new BaileysClient(simulator.wssUrl, memory, config);
    await simulator.client.scan("33600000106", await pairing.qr());
    expect((await pairing.ended()).code).toBe(515);
    await using client = new BaileysClient(simulator.wssUrl, memory, config);
    await client.opened();
    await until("its record", async () =>
      (await simulator.client.stats("33600000106")).connections.every((each) => each.isTls),
    );
  });

  it("is refused by a client that does not know the CA", async () => {
    const client = new BaileysClient(simulator.wssUrl, newMemory());
    expect((await client.ended()).message).toMatch(/certificate/);
  });

  it("can be reset below TLS", async () => {
    await simulator.client.setScenario(at("hello", { kind: "reset" }));
    const client = new BaileysClient(simulator.wssUrl, newMemory(), { agent: new Agent({ ca: simulator.caPem }) });
    expect(await client.ended()).toMatchObject({ code: 428, message: "Connection Terminated" });
  });
});
